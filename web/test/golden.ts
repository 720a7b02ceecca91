/** What Python computed: `python tests/golden/make_web_golden.py` writes `golden.json`. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Golden {
  readonly noise: readonly { readonly seed: number; readonly draws: readonly (readonly number[])[] }[];
  readonly uniforms: readonly { readonly seed: number; readonly numbers: readonly number[] }[];
  readonly tokens: readonly { readonly tokenizer: string; readonly length: number; readonly prompt: string; readonly ids: readonly number[] }[];
  readonly samplers: readonly {
    readonly what: string;
    readonly config: Readonly<Record<string, unknown>>;
    readonly sampler: string | null;
    readonly steps: number;
    readonly strength: number | null;
    readonly timesteps: readonly number[];
    readonly sample: readonly number[];
  }[];
  readonly resized: readonly {
    readonly from: readonly [number, number];
    readonly to: readonly [number, number];
    readonly pixels: string;
    readonly result: string;
  }[];
  readonly drawings: readonly {
    readonly model: string;
    readonly prompt: string;
    readonly options: Readonly<Record<string, number | string>>;
    readonly image: { readonly width: number; readonly height: number; readonly pixels: string } | null;
    readonly width: number;
    readonly height: number;
    readonly pixels: string;
  }[];
}

/** The repository's root: the tests are run in `web/`, wherever they were bundled to. */
export const ROOT = join(process.cwd(), "..");
export const golden = JSON.parse(readFileSync(join(process.cwd(), "test", "golden.json"), "utf8")) as Golden;

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    largest = Math.max(largest, Math.abs((a[i] as number) - (b[i] as number)));
  }
  return largest;
}
