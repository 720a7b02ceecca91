/** Consistency sampling: jump to a clean sample, then put fresh noise on it (Song et al. 2023, algorithm 1). */

import { mixed } from "../../arrays/float32";
import type { Solver } from "../sampler";

const SIGMA_DATA = 0.5;

/** With the boundary condition of latent consistency models (Luo et al. 2023, section 4.1). */
export function renoise(timestepScaling: number): Solver<null> {
  return {
    begin: null,
    async step(denoise, x, { start, end }, state, noise) {
      const t = start.t * timestepScaling;
      const norm = t * t + SIGMA_DATA ** 2;
      const answer = (await denoise(x, start)).denoised;
      const denoised = mixed(t / Math.sqrt(norm), answer, SIGMA_DATA ** 2 / norm, x);
      const next =
        end.sigma > 0 ? mixed(end.alpha, denoised, end.sigma, noise.standardNormal(x.length)) : denoised;
      return { x: next, denoised, state };
    },
  };
}
