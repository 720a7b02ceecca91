/** Pseudo linear multistep on DDIM's transfer (Liu et al. 2022, PNDM, equations 11 to 13), one call per interval. */

import { mixed, over, plus, times } from "../../arrays/float32";
import type { Level } from "../levels";
import type { Parametrisation } from "../prediction";
import type { Solver } from "../sampler";

/** Weights of the last outputs, newest first (Bashforth & Adams 1883). */
const ADAMS_BASHFORTH: readonly (readonly number[])[] = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
];

interface State {
  /** Newest last. */
  readonly outputs: readonly Float32Array[];
  readonly first: Float32Array | null;
  readonly made: number;
}

export function plms(parametrisation: Parametrisation): Solver<State> {
  const transfer = (raw: Float32Array, x: Float32Array, start: Level, end: Level): Float32Array => {
    const [a, b] = [start.alpha ** 2, end.alpha ** 2];
    const epsilon = parametrisation.name === "v_prediction" ? parametrisation.epsilon(raw, x, start) : raw;
    const weight = (b - a) / (a * end.sigma + Math.sqrt(a * start.sigma ** 2 * b));
    return mixed(end.alpha / start.alpha, x, -weight, epsilon);
  };
  return {
    begin: { outputs: [], first: null, made: 0 },
    async step(denoise, x, interval, { outputs, first, made }) {
      const prediction = await denoise(x, interval.start);
      const { raw, denoised } = prediction;
      const last = outputs.at(-1);
      if (made === 1 && last !== undefined && first !== null && interval.via !== undefined) {
        // The first step is made again, with the mean of both slopes.
        const next = transfer(over(plus(raw, last), 2), first, interval.via, interval.start);
        return { x: next, denoised, state: { outputs, first: null, made: 2 } };
      }
      const kept = [...outputs, raw].slice(-ADAMS_BASHFORTH.length);
      const weights = ADAMS_BASHFORTH[kept.length - 1] as readonly number[];
      const slope = weights
        .map((weight, index) => times(kept.at(-1 - index) as Float32Array, weight))
        .reduce((sum, one) => plus(sum, one));
      const next = transfer(slope, x, interval.start, interval.end);
      return { x: next, denoised, state: { outputs: kept, first: made === 0 ? x : null, made: made + 1 } };
    },
  };
}
