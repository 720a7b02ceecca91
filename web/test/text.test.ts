import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ClipTokenizer } from "../src/text/clip";
import { golden, ROOT } from "./golden";

const NAMES = ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"];

function filesOf(folder: string, names: readonly string[]): Map<string, unknown> {
  const files = new Map<string, unknown>();
  for (const name of names.filter((one) => existsSync(join(folder, one)))) {
    const text = readFileSync(join(folder, name), "utf8");
    files.set(name, name.endsWith(".json") ? JSON.parse(text) : text);
  }
  return files;
}

const folder = (name: string): string => join(ROOT, name);

for (const [what, names] of [
  ["tokenizer.json", NAMES],
  ["vocab.json and merges.txt", NAMES.slice(1)],
] as const) {
  test(`ids are those of the Python runtime, from ${what}`, () => {
    const read = new Map<string, ClipTokenizer>();
    for (const { tokenizer, length, prompt, ids } of golden.tokens) {
      const clip = read.get(tokenizer) ?? new ClipTokenizer(filesOf(folder(tokenizer), names), length, tokenizer);
      read.set(tokenizer, clip);
      assert.deepEqual(clip.encode(prompt, length, () => undefined).ids, ids, JSON.stringify(prompt));
    }
  });
}

interface OfTransformers {
  readonly max_tokens: number;
  readonly cases: readonly { readonly tokenizer: string; readonly text: string; readonly ids: readonly number[] }[];
}

test("ids are those of transformers' CLIPTokenizer, from files of both formats", () => {
  const home = join(ROOT, "tests", "golden", "tokenizer");
  const known = JSON.parse(readFileSync(join(home, "ids.json"), "utf8")) as OfTransformers;
  assert.ok(known.cases.length > 20);
  for (const { tokenizer, text, ids } of known.cases) {
    for (const name of [tokenizer, `${tokenizer}-json`]) {
      const clip = new ClipTokenizer(filesOf(join(home, name), NAMES), known.max_tokens, name);
      assert.deepEqual(clip.encode(text, known.max_tokens, () => undefined).ids, ids, JSON.stringify(text));
    }
  }
});

test("what does not fit is cut off, and told", () => {
  const [first] = golden.tokens;
  const clip = new ClipTokenizer(filesOf(folder(first?.tokenizer ?? ""), NAMES), 4, "tokenizer");
  const notices: string[] = [];
  assert.equal(clip.encode("a red apple", 4, (notice) => notices.push(notice)).ids.length, 4);
  assert.match(notices.join(), /^the prompt has \d+ tokens, 2 fit: the last \d+ are cut off$/u);
});

test("a tokenizer of another kind is refused", () => {
  const files = new Map<string, unknown>([["tokenizer.json", { model: { type: "Unigram", vocab: [] } }]]);
  assert.throws(() => new ClipTokenizer(files, 77, "tokenizer"), /expected byte pairs with CLIP's end of words/u);
});
