/** Arrays with a shape. Whole numbers are kept in doubles, which hold them exactly up to 2^53. */

import { Problem } from "../problem";

export interface Floats {
  readonly kind: "float32";
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export interface Doubles {
  readonly kind: "float64" | "int64";
  readonly data: Float64Array;
  readonly shape: readonly number[];
}

export type Tensor = Floats | Doubles;

export function floats(data: Float32Array, shape: readonly number[]): Floats {
  check(data.length, shape);
  return { kind: "float32", data, shape };
}

export function doubles(data: Float64Array, shape: readonly number[]): Doubles {
  check(data.length, shape);
  return { kind: "float64", data, shape };
}

export function wholes(data: Float64Array, shape: readonly number[]): Doubles {
  check(data.length, shape);
  return { kind: "int64", data, shape };
}

function check(length: number, shape: readonly number[]): void {
  if (length !== sizeOf(shape)) {
    throw new Problem(`an array has ${length} numbers: expected the shape [${shape.join(", ")}]`);
  }
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((side, axis) => side === b[axis]);
}

/** Numbers of one row along the first axis. */
function rowSize(tensor: Tensor): number {
  return sizeOf(tensor.shape.slice(1));
}

function withData<T extends Tensor>(like: T, data: T["data"], shape: readonly number[]): T {
  return { kind: like.kind, data, shape } as T;
}

function emptyLike(tensor: Tensor, length: number): Float32Array | Float64Array {
  return tensor.kind === "float32" ? new Float32Array(length) : new Float64Array(length);
}

/** Rows `from` up to and without `to` along the first axis. */
export function rows<T extends Tensor>(tensor: T, from: number, to: number): T {
  const size = rowSize(tensor);
  return withData(tensor, tensor.data.slice(from * size, to * size) as T["data"], [to - from, ...tensor.shape.slice(1)]);
}

/** Along the second axis: entries `from` up to and without `to` of every row. */
export function channels(tensor: Floats, from: number, to: number): Floats {
  const count = tensor.shape[1] ?? 0;
  if (from === 0 && to === count) {
    return tensor;
  }
  const batch = tensor.shape[0] ?? 0;
  const each = sizeOf(tensor.shape.slice(2));
  const data = new Float32Array(batch * (to - from) * each);
  for (let row = 0; row < batch; row += 1) {
    data.set(tensor.data.subarray((row * count + from) * each, (row * count + to) * each), row * (to - from) * each);
  }
  return floats(data, [batch, to - from, ...tensor.shape.slice(2)]);
}

/** Arrays one behind the other along an axis; negative ones count from the end. */
export function concatenate(tensors: readonly Tensor[], axis: number): Tensor {
  const first = tensors[0];
  if (first === undefined) {
    throw new Problem("nothing is joined: expected at least one array");
  }
  const at = axis < 0 ? axis + first.shape.length : axis;
  const rest = (tensor: Tensor): readonly number[] => tensor.shape.filter((_, index) => index !== at);
  if (at < 0 || at >= first.shape.length || !tensors.every((one) => sameShape(rest(one), rest(first)))) {
    const shapes = tensors.map((tensor) => `[${tensor.shape.join(", ")}]`).join(", ");
    throw new Problem(`arrays shaped ${shapes} are joined along axis ${axis}: expected shapes that fit together`);
  }
  const outer = sizeOf(first.shape.slice(0, at));
  const blocks = tensors.map((tensor) => sizeOf(tensor.shape.slice(at)));
  const total = blocks.reduce((sum, block) => sum + block, 0);
  const kind = tensors.every((tensor) => tensor.kind === first.kind) ? first.kind : "float64";
  const data = kind === "float32" ? new Float32Array(outer * total) : new Float64Array(outer * total);
  let place = 0;
  for (let index = 0; index < outer; index += 1) {
    tensors.forEach((tensor, one) => {
      const block = blocks[one] ?? 0;
      data.set(tensor.data.subarray(index * block, (index + 1) * block), place);
      place += block;
    });
  }
  const length = tensors.reduce((sum, tensor) => sum + (tensor.shape[at] ?? 0), 0);
  return { kind, data, shape: first.shape.map((side, index) => (index === at ? length : side)) } as Tensor;
}

export function zerosLike(tensor: Tensor): Tensor {
  return withData(tensor, emptyLike(tensor, tensor.data.length) as never, tensor.shape);
}

export function asFloats(tensor: Tensor): Floats {
  return tensor.kind === "float32" ? tensor : floats(Float32Array.from(tensor.data), tensor.shape);
}
