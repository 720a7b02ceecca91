/** The loop: a sampler that turns noise into a sample, step by step. */

import { mixed, times } from "../arrays/float32";
import type { TorchCpuNoise } from "../noise/torch_cpu";
import { Problem } from "../problem";
import type { Interval } from "./levels";
import type { Denoise, Limit, Model, Parametrisation } from "./prediction";
import { denoiser } from "./prediction";

export interface Outcome<State> {
  readonly x: Float32Array;
  /** The clean sample that the step was drawn towards. */
  readonly denoised: Float32Array;
  readonly state: State;
}

/** A method of integration; what a run remembers is passed in and handed back. */
export interface Solver<State = unknown> {
  readonly begin: State;
  step(denoise: Denoise, x: Float32Array, interval: Interval, state: State, noise: TorchCpuNoise): Promise<Outcome<State>>;
}

export interface Step {
  readonly index: number;
  readonly total: number;
  readonly sample: Float32Array;
  readonly denoised: Float32Array;
}

export interface Sampler {
  readonly intervals: readonly Interval[];
  readonly solver: Solver;
  readonly parametrisation: Parametrisation;
  readonly limit: Limit | null;
  /** Standard deviation of the sample that a run from pure noise starts with. */
  readonly initNoiseSigma: number;
  /** Whether a strength is already in its timesteps. */
  readonly ownStrength?: boolean;
}

/** The sampler that starts later, for image-to-image. */
export function forStrength(sampler: Sampler, strength: number): Sampler {
  const steps = sampler.intervals[0]?.total ?? 0;
  const skipped = Math.max(steps - Math.min(Math.trunc(steps * strength), steps), 0);
  if (skipped >= steps) {
    throw new Problem(
      `\`strength\` is ${strength}: expected a strength that leaves at least one step`,
      `with ${steps} steps, take a strength of ${(1 / steps).toPrecision(3)} or more`,
    );
  }
  return { ...sampler, intervals: sampler.intervals.slice(skipped) };
}

/** Refuse to divide by 0: pure noise says nothing about the sample, and the clean sample nothing about the noise. */
export function checkFirstLevel({ intervals, parametrisation }: Sampler): void {
  if (parametrisation.name === "epsilon" && intervals.some(({ start }) => start.alpha === 0)) {
    throw new Problem("`rescale_betas_zero_snr` is true: expected false, for epsilon cannot be used at zero SNR");
  }
  if (parametrisation.name === "sample" && intervals.some(({ start }) => start.sigma === 0)) {
    throw new Problem("`prediction_type` is `sample`: expected another one where the first level is clean");
  }
}

/** Run step by step, from pure noise or from a clean sample that is noised to the first level. */
export async function* iterate(
  sampler: Sampler,
  model: Model,
  noise: Float32Array,
  rng: TorchCpuNoise,
  start: Float32Array | null,
): AsyncGenerator<Step> {
  const denoise = denoiser(model, sampler.parametrisation, sampler.limit);
  const first = sampler.intervals[0]?.start;
  let x =
    start === null || first === undefined
      ? times(noise, sampler.initNoiseSigma)
      : mixed(first.alpha, start, first.sigma, noise);
  let state = sampler.solver.begin;
  const total = sampler.intervals.length;
  for (const [index, interval] of sampler.intervals.entries()) {
    const outcome = await sampler.solver.step(denoise, x, interval, state, rng);
    x = outcome.x;
    state = outcome.state;
    yield { index, total, sample: x, denoised: outcome.denoised };
  }
}
