/** CLIP's tokenizer (Radford et al. 2021): byte pairs over its own rule for words, a start mark and an end mark. */

import { isObject } from "../bundle/fields";
import { Problem, quoted } from "../problem";
import { BytePairs } from "./byte_pairs";

export interface Encoded {
  readonly ids: number[];
  /** 1 for a token of the text or a mark, 0 for padding. */
  readonly mask: number[];
}

interface AddedWord {
  readonly content: string;
  readonly id: number;
  readonly normalized: boolean;
}

/** The files of a tokenizer's directory that were there, by name; JSON is parsed. */
export type TokenizerFiles = ReadonlyMap<string, unknown>;

const END_OF_WORD = "</w>";
// Unicode's white space: JavaScript's own `\s` has one character more and one less.
const SPACE = "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new RegExp(`[${SPACE}]+`, "gu");
// Contractions, runs of letters, single digits, runs of anything else.
const WORDS = new RegExp(`'s|'t|'re|'ve|'m|'ll|'d|\\p{L}+|\\p{N}|[^${SPACE}\\p{L}\\p{N}]+`, "gu");
const MARKS = { bos_token: "<|startoftext|>", eos_token: "<|endoftext|>", pad_token: "<|endoftext|>" };
type Mark = keyof typeof MARKS;

export class ClipTokenizer {
  private readonly pairs: BytePairs;
  private readonly raw: readonly AddedWord[];
  private readonly normal: readonly AddedWord[];
  private readonly start: number;
  private readonly end: number;
  private readonly pad: number;

  constructor(
    files: TokenizerFiles,
    readonly maxTokens: number,
    private readonly name: string,
  ) {
    const { vocabulary, merges, added } = this.read(files);
    const marks = marksOf(files);
    const ids = new Map(vocabulary);
    added.forEach((word) => ids.set(word.content, word.id));
    const idOf = (mark: Mark): number => {
      const id = ids.get(marks[mark]);
      if (id === undefined) {
        throw new Problem(`the tokenizer has no token \`${marks[mark]}\`: expected it in its vocabulary`);
      }
      return id;
    };
    [this.start, this.end, this.pad] = [idOf("bos_token"), idOf("eos_token"), idOf("pad_token")];
    this.pairs = new BytePairs(vocabulary, merges, this.end, END_OF_WORD);
    this.raw = added.filter((word) => !word.normalized);
    this.normal = added.filter((word) => word.normalized).map((word) => ({ ...word, content: normalised(word.content) }));
  }

  /** The ids of a text without marks. */
  ids(text: string): number[] {
    const found: number[] = [];
    for (const piece of split(text, this.raw)) {
      if (typeof piece === "number") {
        found.push(piece);
        continue;
      }
      for (const part of split(normalised(piece), this.normal)) {
        if (typeof part === "number") {
          found.push(part);
        } else {
          (part.match(WORDS) ?? []).forEach((word) => found.push(...this.pairs.encode(word)));
        }
      }
    }
    return found;
  }

  /** A text as a row of `length` tokens: mark, text, mark, padding; what is too long is cut off, and told. */
  encode(text: string, length: number, tell: (notice: string) => void): Encoded {
    const ids = this.ids(text);
    const room = Math.max(0, length - 2);
    if (ids.length > room) {
      tell(`the prompt has ${ids.length} tokens, ${room} fit: the last ${ids.length - room} are cut off`);
    }
    const row = [this.start, ...ids.slice(0, room), this.end].slice(0, length);
    const padding = length - row.length;
    return {
      ids: [...row, ...Array<number>(padding).fill(this.pad)],
      mask: [...Array<number>(row.length).fill(1), ...Array<number>(padding).fill(0)],
    };
  }

  private read(files: TokenizerFiles): {
    vocabulary: Map<string, number>;
    merges: [string, string][];
    added: AddedWord[];
  } {
    const whole = files.get("tokenizer.json");
    if (isObject(whole)) {
      const model = whole["model"];
      if (!isObject(model) || (model["type"] ?? "BPE") !== "BPE" || model["end_of_word_suffix"] !== END_OF_WORD) {
        throw this.fail("tokenizer.json", "byte pairs with CLIP's end of words");
      }
      const entries = Array.isArray(whole["added_tokens"]) ? whole["added_tokens"] : [];
      return {
        vocabulary: this.vocabulary(model["vocab"]),
        merges: this.merges(model["merges"]),
        added: entries.map((entry) => this.added(entry, isObject(entry) ? entry["id"] : undefined)),
      };
    }
    const lines = files.get("merges.txt");
    if (typeof lines !== "string" || files.get("vocab.json") === undefined) {
      throw this.fail("tokenizer.json", "that file, or `vocab.json` and `merges.txt`");
    }
    const vocabulary = this.vocabulary(files.get("vocab.json"));
    const merges = lines.split("\n").map((line) => line.replace(/\r+$/u, ""));
    return {
      vocabulary,
      merges: this.merges(merges.filter((line) => line !== "" && !line.startsWith("#version"))),
      added: this.addedBeside(files, vocabulary),
    };
  }

  private addedBeside(files: TokenizerFiles, vocabulary: ReadonlyMap<string, number>): AddedWord[] {
    const words = new Map<string, AddedWord>();
    const beside = files.get("added_tokens.json");
    for (const [content, id] of isObject(beside) ? Object.entries(beside) : []) {
      words.set(content, this.added({ content }, id));
    }
    const config = files.get("tokenizer_config.json");
    const decoder = isObject(config) ? config["added_tokens_decoder"] : undefined;
    for (const [id, entry] of isObject(decoder) ? Object.entries(decoder) : []) {
      const word = this.added(entry, Number(id));
      words.set(word.content, word);
    }
    for (const mark of Object.values(marksOf(files))) {
      const id = vocabulary.get(mark);
      if (id !== undefined) {
        words.set(mark, { content: mark, id, normalized: false });
      }
    }
    return [...words.values()];
  }

  private added(entry: unknown, id: unknown): AddedWord {
    if (!isObject(entry) || typeof entry["content"] !== "string" || entry["content"] === "") {
      throw this.fail("tokenizer.json", "added tokens that are texts");
    }
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0) {
      throw this.fail("tokenizer.json", `a whole number as the id of ${quoted(entry["content"])}`);
    }
    const odd = ["lstrip", "rstrip", "single_word"].find((flag) => entry[flag] === true);
    if (odd !== undefined) {
      throw new Problem(
        `the added token ${quoted(entry["content"])} has \`${odd}\`: expected none, which is all that this page reads`,
      );
    }
    const normalized = entry["normalized"] ?? entry["special"] !== true;
    return { content: entry["content"], id, normalized: normalized === true };
  }

  private vocabulary(value: unknown): Map<string, number> {
    if (!isObject(value) || !Object.values(value).every((id) => Number.isSafeInteger(id))) {
      throw this.fail("vocabulary", "tokens with whole numbers as ids");
    }
    return new Map(Object.entries(value) as [string, number][]);
  }

  private merges(value: unknown): [string, string][] {
    if (!Array.isArray(value)) {
      throw this.fail("merges", "a list of merges");
    }
    return value.map((merge: unknown): [string, string] => {
      const parts: unknown = typeof merge === "string" ? merge.split(" ") : merge;
      const [first, second] = Array.isArray(parts) ? parts : [];
      if (!Array.isArray(parts) || parts.length !== 2 || typeof first !== "string" || typeof second !== "string") {
        throw this.fail("merges", "two tokens in every merge");
      }
      return [first, second];
    });
  }

  private fail(what: string, expected: string): Problem {
    return new Problem(`the tokenizer \`${this.name}\` has no readable \`${what}\`: expected ${expected}`);
  }
}

function marksOf(files: TokenizerFiles): Record<Mark, string> {
  const marks = { ...MARKS };
  for (const name of ["tokenizer_config.json", "special_tokens_map.json"]) {
    const config = files.get(name);
    for (const role of Object.keys(marks) as Mark[]) {
      const entry = isObject(config) ? config[role] : undefined;
      const token = isObject(entry) ? entry["content"] : entry;
      if (typeof token === "string" && token !== "") {
        marks[role] = token;
      }
    }
  }
  return marks;
}

/** NFC, runs of white space as one space, lower case letter by letter (without the rule for a last sigma). */
function normalised(text: string): string {
  const spaced = text.normalize("NFC").replace(SPACES, " ");
  return Array.from(spaced, (letter) => letter.toLowerCase()).join("");
}

/** A text cut at added words, which are given by their ids: the leftmost first, of those the longest. */
function split(text: string, words: readonly AddedWord[]): (string | number)[] {
  const pieces: (string | number)[] = [];
  let begin = 0;
  for (let place = 0; place < text.length; ) {
    let found: AddedWord | null = null;
    for (const word of words) {
      if (text.startsWith(word.content, place) && (found === null || word.content.length > found.content.length)) {
        found = word;
      }
    }
    if (found === null) {
      place += 1;
      continue;
    }
    if (place > begin) {
      pieces.push(text.slice(begin, place));
    }
    pieces.push(found.id);
    place += found.content.length;
    begin = place;
  }
  return begin < text.length ? [...pieces, text.slice(begin)] : pieces;
}
