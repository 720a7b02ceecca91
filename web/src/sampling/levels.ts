/** Noise levels and the intervals between them: all that a solver knows of a schedule. `x = alpha x0 + sigma noise`. */

export interface Level {
  /** What the network is told. */
  readonly t: number;
  readonly alpha: number;
  readonly sigma: number;
  /** What `x` is divided by before the network sees it. */
  readonly scale: number;
  /** The number by which people call the level: sigma / alpha. */
  readonly nominal: number;
}

/** Half the log of the signal-to-noise ratio; infinite at the clean end. */
export function logSnr(level: Level): number {
  if (level.sigma <= 0) {
    return Number.POSITIVE_INFINITY;
  }
  return level.alpha <= 0 ? Number.NEGATIVE_INFINITY : Math.log(level.alpha) - Math.log(level.sigma);
}

/** A variance-preserving level of cumulative product `alphaBar` (DDPM's notation). */
export function preserving(t: number, alphaBar: number): Level {
  const [alpha, sigma] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  return { t, alpha, sigma, scale: 1, nominal: alpha === 0 ? Number.POSITIVE_INFINITY : sigma / alpha };
}

/** A variance-preserving level whose noise-to-signal ratio is `sigma`. */
export function preservingAt(t: number, sigma: number): Level {
  const alpha = 1 / Math.sqrt(sigma * sigma + 1);
  return { t, alpha, sigma: sigma * alpha, scale: 1, nominal: sigma };
}

/** A variance-exploding level (Karras et al. 2022). */
export function exploding(t: number, sigma: number): Level {
  return { t, alpha: 1, sigma, scale: Math.sqrt(sigma * sigma + 1), nominal: sigma };
}

export interface Interval {
  readonly start: Level;
  readonly end: Level;
  /** Place in the whole schedule, from 0. */
  readonly index: number;
  readonly total: number;
  /** A level beside the two that the solver needs. */
  readonly via?: Level;
}

/** Intervals that touch: from each level to the next. */
export function chain(levels: readonly Level[]): Interval[] {
  const total = levels.length - 1;
  return levels.slice(0, -1).map((start, index) => ({ start, end: levels[index + 1] as Level, index, total }));
}
