/** The transfer that many samplers share: DDIM, Euler, Euler ancestral (Song et al. 2021, equation 12). */

import { mixed, plus, times } from "../../arrays/float32";
import type { Level } from "../levels";
import type { Solver } from "../sampler";

/** Standard deviation of the posterior of `end` given `start` and the clean sample (Song et al. 2021, eq. 16). */
function ancestralStd(start: Level, end: Level): number {
  if (end.sigma <= 0 || end.alpha <= 0) {
    return 0;
  }
  const ratio = start.alpha / end.alpha;
  const kept = Math.max(start.sigma ** 2 - (ratio * end.sigma) ** 2, 0);
  return (end.sigma / start.sigma) * Math.sqrt(kept);
}

/** Keep the clean sample and the noise, change how they are mixed; `eta` is the share of fresh noise. */
export function ddim(eta: number): Solver<null> {
  return {
    begin: null,
    async step(denoise, x, { start, end }, state, noise) {
      const prediction = await denoise(x, start);
      const std = eta > 0 ? eta * ancestralStd(start, end) : 0;
      const kept = Math.sqrt(Math.max(end.sigma ** 2 - std ** 2, 0));
      const next = mixed(end.alpha, prediction.denoised, kept, prediction.epsilon());
      const moved = std > 0 ? plus(next, times(noise.standardNormal(x.length), std)) : next;
      return { x: moved, denoised: prediction.denoised, state };
    },
  };
}
