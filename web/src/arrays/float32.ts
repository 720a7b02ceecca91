/**
 * Arithmetic on float32 arrays as NumPy does it: every operation is rounded to float32 before the next one begins.
 *
 * A sum, product or quotient of two float32 numbers, computed in a double and rounded once, is the float32 result.
 */

const round = Math.fround;

export function times(x: Float32Array, factor: number): Float32Array {
  const by = round(factor);
  return x.map((value) => by * value);
}

export function over(x: Float32Array, divisor: number): Float32Array {
  const by = round(divisor);
  return x.map((value) => value / by);
}

export function plus(x: Float32Array, y: Float32Array): Float32Array {
  return x.map((value, index) => value + (y[index] as number));
}

export function minus(x: Float32Array, y: Float32Array): Float32Array {
  return x.map((value, index) => value - (y[index] as number));
}

/** `a x + b y`, three roundings. */
export function mixed(a: number, x: Float32Array, b: number, y: Float32Array): Float32Array {
  const [first, second] = [round(a), round(b)];
  return x.map((value, index) => round(first * value) + round(second * (y[index] as number)));
}

export function clipped(x: Float32Array, bound: number): Float32Array {
  const most = round(bound);
  return x.map((value) => Math.min(Math.max(value, -most), most));
}

/** Standard deviation with one degree of freedom less, as `numpy.std(ddof=1)`; summed in doubles. */
export function deviation(x: Float32Array): number {
  let sum = 0;
  for (const value of x) {
    sum += value;
  }
  const mean = sum / x.length;
  let squares = 0;
  for (const value of x) {
    squares += (value - mean) ** 2;
  }
  return round(Math.sqrt(squares / (x.length - 1)));
}

/** To the nearest whole number, halves to the even one, as NumPy and Python round. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) {
    return rest < 0.5 ? below : below + 1;
  }
  return below % 2 === 0 ? below : below + 1;
}
