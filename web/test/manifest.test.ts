import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { readManifest } from "../src/bundle/manifest";
import { resolve } from "../src/running/settings";
import { doubtsOf } from "../src/running/doubts";
import type { Request } from "../src/running/settings";
import { ROOT } from "./golden";

type Json = Record<string, any>;
const TEXT = readFileSync(join(ROOT, "edgediff", "models", "emoji", "edgediff.json"), "utf8");

function changed(change: (manifest: Json) => void): Json {
  const manifest = JSON.parse(TEXT) as Json;
  change(manifest);
  return manifest;
}

const refused: readonly [string, (manifest: Json) => void, RegExp][] = [
  ["a later format", (m) => (m["format_version"] = "2.0"), /the bundle's format is 2.0: expected 1/u],
  ["OpenVINO", (m) => (m["components"].unet.format = "openvino"), /`unet` is in the format `openvino`: expected `onnx`/u],
  [
    "too large",
    (m) => (m["components"].unet.files[0].bytes = 3 * 2 ** 30),
    /`unet` has 3.0 GiB: expected at most 2 GiB, which is what fits into a browser's WebAssembly/u,
  ],
  [
    "an unknown part",
    (m) => m["stages"][0].given.push({ part: "rope", to: "r" }),
    /`stages\[0\].given\[2\].part` is "rope": expected one of tokens/u,
  ],
  ["an unknown field", (m) => (m["stages"][0].given[0].colour = 1), /`.*colour` is 1: expected no such field/u],
  ["padding to the left", (m) => (m["stages"][0].given[0].side = "left"), /`.*side` is "left": expected "right"/u],
  ["two stages", (m) => m["stages"].push(m["stages"][0]), /the bundle has 2 stages \(base, base\): expected one/u],
  ["another tokenizer", (m) => (m["tokenizers"][0].kind = "unigram"), /kind `unigram`: expected `clip`/u],
  ["a way out", (m) => (m["components"].unet.files[0].path = "../x"), /expected a relative path that stays inside/u],
  [
    "no writer",
    (m) => (m["stages"][0].network[0].feeds.sample = "y"),
    /\(network\) reads `y`, which nothing writes before: expected a writer/u,
  ],
  [
    "an input that is not fed",
    (m) => delete m["stages"][0].network[0].feeds.timestep,
    /computes `unet`: `timestep` is not fed: expected sample, timestep/u,
  ],
  ["no component", (m) => delete m["components"].unet, /computes `unet`: expected that component in the bundle/u],
  [
    "an unknown option",
    (m) => m["stages"][0].given.push({ part: "choice", choice: "mood", to: "mood" }),
    /reads the option `mood`: expected one of guidance/u,
  ],
  ["true guidance", (m) => (m["stages"][0].guidance.scale = "true_guidance"), /`.*scale` is "true_guidance": expected/u],
  ["no object", (m) => (m["stages"] = 3), /`stages` is 3: expected an array of objects/u],
];

for (const [what, change, expected] of refused) {
  test(`a manifest is refused in one sentence: ${what}`, () => {
    assert.throws(() => readManifest(changed(change)), expected);
  });
}

test("another task with a part of a later version is left out", () => {
  const manifest = readManifest(changed((m) => (m["stages"][0].tasks["inpainting"] = [{ part: "mask" }, { part: "noise" }])));
  assert.deepEqual(Object.keys(manifest.stage.tasks), ["text-to-image", "image-to-image"]);
});

const REQUEST: Request = {
  prompt: "a fox",
  negativePrompt: null,
  seed: 1,
  steps: null,
  guidance: null,
  sampler: null,
  width: null,
  height: null,
  strength: null,
  image: null,
};

test("settings are filled in, or refused", () => {
  const manifest = readManifest(JSON.parse(TEXT));
  const settings = resolve(manifest, REQUEST);
  assert.equal(settings.steps, manifest.defaults.steps);
  assert.equal(settings.guided, true);
  assert.equal(settings.negativePrompt, "");
  const fails = (change: Partial<Request>, expected: RegExp): void => {
    assert.throws(() => resolve(manifest, { ...REQUEST, ...change }), expected);
  };
  fails({ width: 65 }, /`width` is 65: expected a multiple of 8/u);
  fails({ steps: 0.5 }, /`steps` is 0.5: expected a whole number/u);
  fails({ guidance: 1, negativePrompt: "red" }, /`negative_prompt` is "red": expected nothing/u);
  fails({ guidance: Number.NaN }, /`guidance` is null: expected a finite number/u);
  const image = { width: 70, height: 64, data: new Uint8Array(70 * 64 * 3) };
  assert.equal(resolve(manifest, { ...REQUEST, image }).width, 64);
  fails({ image, strength: 0 }, /`strength` is 0: expected a number above 0/u);
});

test("sizes and words that the model was not made for are told", () => {
  const manifest = readManifest(JSON.parse(TEXT));
  const doubts = (change: Partial<Request>, words: string[] | null): string[] =>
    doubtsOf(manifest.defaults, resolve(manifest, { ...REQUEST, ...change }), words === null ? null : new Set(words));
  assert.deepEqual(doubts({}, null), []);
  assert.deepEqual(doubts({ prompt: "A fox's" }, ["fox"]), []);
  assert.match(doubts({ prompt: "a zebra" }, ["fox"]).join(), /^the model was not taught “zebra”: .* its 1 words, or a blot$/u);
  assert.match(doubts({ width: 128 }, null).join(), /^the model was made for pictures of 64x64: at 128x64 expect/u);
});
