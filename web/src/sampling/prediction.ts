/** What a network predicts, and how that becomes a denoised sample: one formula for every kind of noise level. */

import { minus, mixed, over, times } from "../arrays/float32";
import { Problem, quoted } from "../problem";
import type { Level } from "./levels";

type Array32 = Float32Array;

/** The meaning of a network's output `raw` for a sample `x` at a noise level. */
export interface Parametrisation {
  readonly name: string;
  denoised(raw: Array32, x: Array32, level: Level): Array32;
  epsilon(raw: Array32, x: Array32, level: Level): Array32;
}

/** The network predicts the noise (Ho et al. 2020). */
const EPSILON: Parametrisation = {
  name: "epsilon",
  denoised: (raw, x, level) => over(minus(x, times(raw, level.sigma)), level.alpha),
  epsilon: (raw) => raw,
};

/** The network predicts `v = alpha noise - sigma x0` (Salimans & Ho 2022), after x is brought to unit variance. */
const VELOCITY: Parametrisation = {
  name: "v_prediction",
  denoised: (raw, x, { alpha, sigma, scale }) => mixed(alpha / (scale * scale), x, -(sigma / scale), raw),
  epsilon: (raw, x, { alpha, sigma, scale }) => mixed(alpha / scale, raw, sigma / (scale * scale), x),
};

/** The network predicts the clean sample. */
const CLEAN: Parametrisation = {
  name: "sample",
  denoised: (raw) => raw,
  epsilon: (raw, x, level) => over(minus(x, times(raw, level.alpha)), level.sigma),
};

const ALL: readonly Parametrisation[] = [EPSILON, VELOCITY, CLEAN];

export function parametrisationOf(name: unknown, allowed: readonly string[]): Parametrisation {
  const found = ALL.find((one) => one.name === name && allowed.includes(one.name));
  if (found === undefined) {
    throw new Problem(`\`prediction_type\` is ${quoted(name)}: expected one of ${allowed.join(", ")}`);
  }
  return found;
}

export type Model = (x: Array32, t: number) => Promise<Array32>;
export type Limit = (denoised: Array32) => Array32;

/** One answer of the network at a level. */
export interface Prediction {
  readonly x: Array32;
  readonly level: Level;
  readonly raw: Array32;
  /** The clean sample it implies, within the sampler's limit. */
  readonly denoised: Array32;
  /** The noise that it implies, before any limit. */
  readonly epsilon: () => Array32;
}

export type Denoise = (x: Array32, level: Level) => Promise<Prediction>;

export function denoiser(model: Model, parametrisation: Parametrisation, limit: Limit | null): Denoise {
  return async (x, level) => {
    const raw = await model(level.scale === 1 ? x : over(x, level.scale), level.t);
    const clean = parametrisation.denoised(raw, x, level);
    const denoised = limit === null ? clean : limit(clean);
    return { x, level, raw, denoised, epsilon: () => parametrisation.epsilon(raw, x, level) };
  };
}
