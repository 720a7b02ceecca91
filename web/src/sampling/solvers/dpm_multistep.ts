/** DPM-Solver and DPM-Solver++ with a history instead of extra network calls (Lu et al. 2022a, 2022b). */

import { minus, mixed, over, plus, times } from "../../arrays/float32";
import type { Interval, Level } from "../levels";
import { logSnr } from "../levels";
import type { Solver } from "../sampler";

export type DpmKind = "dpmsolver" | "dpmsolver++" | "sde-dpmsolver++";
/** Below this many steps the last ones are of a lower order, for stability. */
const FEW_STEPS = 15;

interface Weights {
  readonly h: number;
  readonly carry: number;
  readonly first: number;
  readonly midpoint: number;
  readonly heun: number;
  readonly third: number;
  readonly noise: number;
}

/** Coefficients of one step `x_next = carry x + first D0 + midpoint|heun D1 + third D2 + noise z`. */
function exponential(kind: DpmKind, start: Level, end: Level): Weights {
  const h = logSnr(end) - logSnr(start);
  const { alpha, sigma } = end;
  let [decay, carry, scale, unit] = [Math.expm1(h), alpha / start.alpha, sigma, h];
  if (kind === "dpmsolver++") {
    [decay, carry, scale, unit] = [Math.expm1(-h), sigma / start.sigma, alpha, h];
  } else if (kind === "sde-dpmsolver++") {
    [decay, carry, scale, unit] = [Math.expm1(-2 * h), (sigma / start.sigma) * Math.exp(-h), alpha, 2 * h];
  }
  const noise = kind === "sde-dpmsolver++" ? sigma * Math.sqrt(-decay) : 0;
  const first = -scale * decay;
  if (!Number.isFinite(h) || h === 0) {
    return { h, carry, first, midpoint: first / 2, heun: 0, third: 0, noise };
  }
  let [heun, third] = [-scale * (decay / unit - 1), -scale * ((decay - unit) / unit ** 2 - 0.5)];
  if (kind === "dpmsolver++") {
    [heun, third] = [scale * (decay / unit + 1), -scale * ((decay + unit) / unit ** 2 - 0.5)];
  } else if (kind === "sde-dpmsolver++") {
    [heun, third] = [scale * (decay / unit + 1), scale * ((-decay - unit) / unit ** 2 - 0.5)];
  }
  return { h, carry, first, midpoint: first / 2, heun, third, noise };
}

export interface DpmRules {
  readonly order: number;
  readonly kind: DpmKind;
  readonly heun: boolean;
  readonly lowerOrderFinal: boolean;
  readonly eulerAtFinal: boolean;
}

/** Half log-SNR and answer of a step. */
type Past = readonly [number, Float32Array];

/** The order at this place; to a clean end a first-order step is made. */
function orderAt(rules: DpmRules, { end, index, total }: Interval): number {
  const left = total - index;
  const few = rules.lowerOrderFinal && total < FEW_STEPS;
  if (end.sigma <= 0 || (left === 1 && (rules.eulerAtFinal || few))) {
    return 1;
  }
  return few && left === 2 ? Math.min(rules.order, 2) : rules.order;
}

/** The sum of two or three differences of the last answers, with their weights. */
function slopes(weights: Weights, rules: DpmRules, order: number, history: readonly Past[]): Float32Array {
  const [now, newest] = history.at(-1) as Past;
  const [before, older] = history.at(-2) as Past;
  const r0 = (now - before) / weights.h;
  const d1 = over(minus(newest, older), r0);
  if (order === 2) {
    return times(d1, rules.heun ? weights.heun : weights.midpoint);
  }
  const [earlier, oldest] = history.at(-3) as Past;
  const r1 = (before - earlier) / weights.h;
  const slope = over(minus(d1, over(minus(older, oldest), r1)), r0 + r1);
  return mixed(weights.heun, plus(d1, times(slope, r0)), weights.third, slope);
}

export function dpmMultistep(rules: DpmRules): Solver<readonly Past[]> {
  return {
    begin: [],
    async step(denoise, x, interval, state, noise) {
      const prediction = await denoise(x, interval.start);
      const answer = rules.kind === "dpmsolver" ? prediction.epsilon() : prediction.denoised;
      const history: readonly Past[] = [...state, [logSnr(interval.start), answer] as const].slice(-rules.order);
      const weights = exponential(rules.kind, interval.start, interval.end);
      const order = weights.h === 0 ? 1 : Math.min(orderAt(rules, interval), history.length);
      let next = mixed(weights.carry, x, weights.first, answer);
      if (order > 1) {
        next = plus(next, slopes(weights, rules, order, history));
      }
      if (weights.noise > 0) {
        next = plus(next, times(noise.standardNormal(x.length), weights.noise));
      }
      return { x: next, denoised: prediction.denoised, state: history };
    },
  };
}
