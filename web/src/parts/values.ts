/** Values: named arrays that know what their first axis counts; and what the parts of a run share. */

import type { Tensor } from "../arrays/tensor";
import { rows, zerosLike } from "../arrays/tensor";
import type { Session } from "../engine/session";
import type { TorchCpuNoise } from "../noise/torch_cpu";
import { Problem } from "../problem";
import type { Space } from "../recipe/recipe";
import type { Settings } from "../running/settings";
import type { ClipTokenizer } from "../text/clip";

/** `texts`: a row for the prompt, and one behind it for the unguided branch where they differ. */
export type Rows = "texts" | "pictures" | null;

export interface Value {
  readonly array: Tensor;
  readonly rows: Rows;
}

/** RGB pixels, 8 bits per colour, row by row. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface Context {
  readonly stage: string;
  readonly settings: Settings;
  readonly space: Space;
  readonly image: Pixels | null;
  readonly tokenizers: ReadonlyMap<string, ClipTokenizer>;
  readonly compute: (role: string) => Promise<Session>;
  readonly rng: TorchCpuNoise;
  readonly tell: (notice: string) => void;
  readonly values: Map<string, Value>;
  readonly pictures: Pixels[];
}

export function valueOf(context: Context, name: string): Value {
  const value = context.values.get(name);
  if (value === undefined) {
    throw new Problem(`the recipe reads \`${name}\`, which nothing wrote`);
  }
  return value;
}

/** What the first axis of a result counts that was made from these values. */
export function rowsOf(values: readonly Value[]): Rows {
  const kinds = values.map((value) => value.rows);
  return kinds.includes("texts") ? "texts" : kinds.includes("pictures") ? "pictures" : null;
}

/** The values as the network takes them for one picture: of the guided branch, then of the unguided one. */
export function branches(
  values: ReadonlyMap<string, Value>,
  guided: boolean,
  zeros: readonly string[],
): Map<string, Value>[] {
  const conditional = new Map<string, Value>();
  const unguided = new Map<string, Value>();
  for (const [name, value] of values) {
    if (value.rows !== "texts") {
      conditional.set(name, value);
      unguided.set(name, value);
      continue;
    }
    const both = (value.array.shape[0] ?? 0) > 1;
    const first: Value = { array: rows(value.array, 0, 1), rows: "pictures" };
    conditional.set(name, first);
    if (both) {
      unguided.set(name, { array: rows(value.array, 1, 2), rows: "pictures" });
    } else {
      unguided.set(name, zeros.includes(name) ? { array: zerosLike(first.array), rows: "pictures" } : first);
    }
  }
  return guided ? [conditional, unguided] : [conditional];
}
