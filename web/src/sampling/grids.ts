/** Which training timesteps a run visits, and noise-level grids between two ends. */

import { roundHalfEven } from "../arrays/float32";
import { Problem, quoted } from "../problem";
import type { Config } from "./config";

const RHO = 7;

/** `numpy.linspace`. */
export function linspace(start: number, end: number, count: number): number[] {
  const step = count > 1 ? (end - start) / (count - 1) : 0;
  return Array.from({ length: count }, (_, i) => (i === count - 1 && count > 1 ? end : start + i * step));
}

export interface Spacing {
  readonly spacing: string;
  readonly steps: number;
  readonly trainSteps: number;
  readonly offset: number;
  /** One above the noisiest timestep that may be visited. */
  readonly last?: number;
  /** 1 where the spacing is made for one more step, whose cleanest timestep is left out. */
  readonly extra?: number;
}

/** Descending timesteps: leading, trailing, linspace (Lin et al. 2023, table 2); `linspace` is not rounded. */
export function spaced({ spacing, steps, trainSteps, offset, last = trainSteps, extra = 0 }: Spacing): number[] {
  const count = steps + extra;
  if (spacing === "linspace") {
    return linspace(0, last - 1, count).reverse().slice(0, steps);
  }
  if (spacing === "leading") {
    const stride = Math.floor(last / count);
    if (stride < 1) {
      throw new Problem(`\`steps\` is ${steps}: expected at most ${last - extra} with leading spacing`);
    }
    return Array.from({ length: count }, (_, i) => i * stride)
      .reverse()
      .slice(0, steps)
      .map((t) => t + offset);
  }
  if (spacing === "trailing") {
    const delta = last - trainSteps / steps - last;
    const length = Math.ceil(-last / (-trainSteps / steps));
    return Array.from({ length }, (_, i) => roundHalfEven(last + i * delta) - 1);
  }
  throw new Problem(`\`timestep_spacing\` is ${quoted(spacing)}: expected one of leading, trailing, linspace`);
}

/** `numpy.interp` over 0, 1, 2 ...: training noise levels at fractional timesteps. */
export function interpolate(timesteps: readonly number[], table: Float32Array): number[] {
  const most = table.length - 1;
  return timesteps.map((t) => {
    if (t >= most || t < 0) {
      return table[t < 0 ? 0 : most] as number;
    }
    const below = Math.floor(t);
    const value = table[below] as number;
    return below === t ? value : ((table[below + 1] as number) - value) * (t - below) + value;
  });
}

/** Float32 logarithms of a table. */
export function logs(table: Float32Array): Float32Array {
  return table.map((value) => Math.log(value));
}

/** Timesteps of noise levels, linear in `log(sigma)` between the training levels. */
export function sigmaToT(sigmas: readonly number[], logTable: Float32Array): number[] {
  return sigmas.map((sigma) => {
    const log = Math.log(Math.max(sigma, 1e-10));
    let above = 0;
    while (above < logTable.length && (logTable[above] as number) <= log) {
      above += 1;
    }
    const low = Math.min(Math.max(above - 1, 0), logTable.length - 2);
    const [below, next] = [logTable[low] as number, logTable[low + 1] as number];
    const weight = Math.min(Math.max((below - log) / Math.fround(below - next), 0), 1);
    return (1 - weight) * low + weight * (low + 1);
  });
}

/** Karras et al. 2022, equation 5: evenly spaced in `sigma^(1 / rho)`. */
function karras(first: number, last: number, steps: number): number[] {
  const [from, to] = [first ** (1 / RHO), last ** (1 / RHO)];
  return linspace(0, 1, steps).map((ramp) => (from + ramp * (to - from)) ** RHO);
}

/** Evenly spaced in `log(sigma)`. */
function exponential(first: number, last: number, steps: number): number[] {
  return linspace(Math.log(first), Math.log(last), steps).map((log) => Math.exp(log));
}

const GRIDS = { use_karras_sigmas: karras, use_exponential_sigmas: exponential } as const;
export type GridName = keyof typeof GRIDS;

/** The one grid switch that is on, or null. */
export function chosenGrid(config: Config): GridName | null {
  const chosen = (Object.keys(GRIDS) as GridName[]).filter((name) => config.has(name) && config.truth(name));
  if (chosen.length > 1) {
    throw new Problem(`\`${chosen[1]}\` is true: expected at most one grid, and \`${chosen[0]}\` is on`);
  }
  return chosen[0] ?? null;
}

/** A grid between two noise levels, or `sigma_max` and `sigma_min` where the config has them. */
export function regrid(name: GridName, config: Config, first: number, last: number, steps: number): number[] {
  const end = (field: string, otherwise: number): number =>
    config.has(field) ? (config.optionalNumber(field) ?? otherwise) : otherwise;
  return GRIDS[name](end("sigma_max", first), end("sigma_min", last), steps);
}
