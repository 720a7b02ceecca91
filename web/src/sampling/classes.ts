/** The schedulers whose configs are read: from a config to a sampler, by the name of diffusers' class. */

import { clipped, roundHalfEven } from "../arrays/float32";
import { Problem, quoted } from "../problem";
import { alphasCumprod, trainingSigmas } from "./betas";
import type { Defaults } from "./config";
import { Config } from "./config";
import { chosenGrid, interpolate, logs, regrid, sigmaToT, spaced } from "./grids";
import type { Interval, Level } from "./levels";
import { chain, exploding, preserving, preservingAt } from "./levels";
import type { Limit } from "./prediction";
import { parametrisationOf } from "./prediction";
import type { Sampler, Solver } from "./sampler";
import { checkFirstLevel } from "./sampler";
import { ddim } from "./solvers/ddim";
import type { DpmKind } from "./solvers/dpm_multistep";
import { dpmMultistep } from "./solvers/dpm_multistep";
import { plms } from "./solvers/plms";
import { renoise } from "./solvers/renoise";

interface Reading {
  /** Every field that is read, with the class's default. */
  readonly fields: Defaults;
  /** Fields that this page draws with at these values alone. */
  readonly neutral: Defaults;
  readonly build: (config: Config) => Sampler;
}

const BETAS = {
  num_train_timesteps: 1000,
  beta_start: 0.0001,
  beta_end: 0.02,
  beta_schedule: "linear",
  trained_betas: null,
  rescale_betas_zero_snr: false,
  prediction_type: "epsilon",
  steps_offset: 0,
} as const;
const GRIDS = { use_karras_sigmas: false, use_exponential_sigmas: false } as const;
const NO_THRESHOLD = { thresholding: false } as const;
const PREDICTIONS = ["epsilon", "sample", "v_prediction"] as const;
const WITHOUT_CLEAN = ["epsilon", "v_prediction"] as const;

const DDIM_FIELDS = {
  ...BETAS,
  clip_sample: true,
  clip_sample_range: 1,
  set_alpha_to_one: true,
  timestep_spacing: "leading",
} as const;

function limitOf(config: Config): Limit | null {
  const bound = config.truth("clip_sample") ? config.number("clip_sample_range") : null;
  return bound === null ? null : (denoised) => clipped(denoised, bound);
}

function stepsOf(config: Config, most: number): number {
  if (config.steps > most) {
    throw new Problem(`\`steps\` is ${config.steps}: expected at most ${most}, the length of the model's schedule`);
  }
  return config.steps;
}

function spacing(config: Config, extra: number = 0): number[] {
  return spaced({
    spacing: config.text("timestep_spacing"),
    steps: config.steps,
    trainSteps: config.whole("num_train_timesteps", 1),
    offset: config.number("steps_offset"),
    extra: config.text("timestep_spacing") === "trailing" ? 0 : extra,
  });
}

/** The level of a whole timestep; `final` is the cumulative product below timestep 0. */
function levelAt(products: Float32Array, t: number, final: number): Level {
  const product = t >= 0 ? products[t] : final;
  if (product === undefined) {
    throw new Problem(
      `\`steps_offset\` leads to the timestep ${t}: expected one below ${products.length}`,
      "take fewer steps",
    );
  }
  return preserving(t, product);
}

function finalProduct(config: Config, products: Float32Array): number {
  return config.truth("set_alpha_to_one") ? 1 : (products[0] as number);
}

function buildDdim(config: Config): Sampler {
  const train = config.whole("num_train_timesteps", 1);
  const stride = Math.floor(train / stepsOf(config, train));
  const products = alphasCumprod(config);
  const final = finalProduct(config, products);
  const timesteps = spacing(config).map(roundHalfEven);
  return {
    intervals: timesteps.map((t, index) => ({
      start: levelAt(products, t, final),
      end: levelAt(products, t - stride, final),
      index,
      total: timesteps.length,
    })),
    solver: ddim(0) as Solver,
    parametrisation: parametrisationOf(config.text("prediction_type"), PREDICTIONS),
    limit: limitOf(config),
    initNoiseSigma: 1,
  };
}

function buildLcm(config: Config): Sampler {
  const products = alphasCumprod(config);
  const train = config.whole("num_train_timesteps", 1);
  const original = config.whole("original_inference_steps", 1);
  const strength = config.number("strength");
  const [steps, left] = [stepsOf(config, original), Math.trunc(original * strength)];
  if (original > train || steps > left) {
    throw new Problem(
      `\`strength\` is ${strength}: expected one that leaves ${steps} of ${original} steps`,
      `take a strength of at least ${(steps / original).toPrecision(3)}, or fewer steps`,
    );
  }
  const stride = Math.floor(train / original);
  const origin = Array.from({ length: left }, (_, i) => (i + 1) * stride - 1).reverse();
  const chosen = Array.from({ length: steps }, (_, i) => origin[Math.floor((i * left) / steps)] as number);
  const levels = chosen.map((t) => levelAt(products, t, 1));
  const clean = preserving(0, 1);
  return {
    intervals: levels.map((start, index) => ({ start, end: levels[index + 1] ?? clean, index, total: levels.length })),
    solver: renoise(config.number("timestep_scaling")) as Solver,
    parametrisation: parametrisationOf(config.text("prediction_type"), PREDICTIONS),
    limit: limitOf(config),
    initNoiseSigma: 1,
    ownStrength: true,
  };
}

const EULER_FIELDS = {
  ...BETAS,
  ...GRIDS,
  timestep_spacing: "linspace",
  sigma_min: null,
  sigma_max: null,
  final_sigmas_type: "zero",
} as const;

/** Variance-exploding levels of float32 sigmas; the end of the schedule is told as timestep 0. */
function explodingLevels(sigmas: readonly number[], timesteps: readonly number[]): Level[] {
  return sigmas.map((sigma, index) => exploding(Math.fround(timesteps[index] ?? 0), Math.fround(sigma)));
}

/** Standard deviation of the first sample: the largest sigma, with the data's variance for leading spacing. */
function firstStd(config: Config, sigmas: readonly number[]): number {
  const largest = Math.fround(Math.max(...sigmas));
  return config.text("timestep_spacing") === "leading" ? Math.sqrt(largest ** 2 + 1) : largest;
}

function buildEuler(config: Config): Sampler {
  const table = trainingSigmas(alphasCumprod(config, true));
  let timesteps: number[] = spacing(config).map(Math.fround);
  let sigmas = interpolate(timesteps, table);
  const name = chosenGrid(config);
  if (name !== null) {
    sigmas = regrid(name, config, sigmas[0] as number, sigmas.at(-1) as number, sigmas.length);
    timesteps = sigmaToT(sigmas, logs(table));
  }
  const last = config.one("final_sigmas_type", ["zero", "sigma_min"]) === "zero" ? 0 : (table[0] as number);
  const all = [...sigmas, last];
  return {
    intervals: chain(explodingLevels(all, timesteps)),
    solver: ddim(0) as Solver,
    parametrisation: parametrisationOf(config.text("prediction_type"), PREDICTIONS),
    limit: null,
    initNoiseSigma: firstStd(config, all),
  };
}

function buildEulerAncestral(config: Config): Sampler {
  const table = trainingSigmas(alphasCumprod(config, true));
  const timesteps = spacing(config).map(Math.fround);
  const sigmas = [...interpolate(timesteps, table), 0];
  return {
    intervals: chain(explodingLevels(sigmas, timesteps)),
    solver: ddim(1) as Solver,
    parametrisation: parametrisationOf(config.text("prediction_type"), WITHOUT_CLEAN),
    limit: null,
    initNoiseSigma: firstStd(config, sigmas),
  };
}

const DPM_FIELDS = {
  ...BETAS,
  ...GRIDS,
  timestep_spacing: "linspace",
  solver_order: 2,
  algorithm_type: "dpmsolver++",
  solver_type: "midpoint",
  lower_order_final: true,
  euler_at_final: false,
  final_sigmas_type: "zero",
  lambda_min_clipped: Number.NEGATIVE_INFINITY,
} as const;
const KINDS = ["dpmsolver", "dpmsolver++", "sde-dpmsolver++", "deis"] as const;

/** One above the noisiest timestep whose half log-SNR is at least `lambda_min_clipped`. */
function noisiest(config: Config, products: Float32Array): number {
  const least = config.number("lambda_min_clipped");
  const log = products.map((product) => Math.log(Math.fround(Math.sqrt(product))));
  const logNoise = products.map((product) => Math.log(Math.fround(Math.sqrt(Math.fround(1 - product)))));
  let clippedCount = 0;
  while (
    clippedCount < products.length &&
    Math.fround((log.at(-1 - clippedCount) as number) - (logNoise.at(-1 - clippedCount) as number)) < least
  ) {
    clippedCount += 1;
  }
  return config.whole("num_train_timesteps", 1) - clippedCount;
}

function dpmIntervals(config: Config, table: Float32Array, last: number): Interval[] {
  const timestepSpacing = config.text("timestep_spacing");
  let timesteps = spaced({
    spacing: timestepSpacing,
    steps: config.steps,
    trainSteps: config.whole("num_train_timesteps", 1),
    offset: config.number("steps_offset"),
    last: noisiest(config, alphasCumprod(config, true)),
    extra: timestepSpacing === "trailing" ? 0 : 1,
  }).map(roundHalfEven);
  let sigmas = interpolate(timesteps, table);
  const name = chosenGrid(config);
  if (name !== null) {
    sigmas = regrid(name, config, table.at(-1) as number, table[0] as number, sigmas.length);
    const told = sigmaToT(sigmas, logs(table));
    const rounds = name === "use_karras_sigmas" && config.text("beta_schedule") !== "squaredcos_cap_v2";
    timesteps = rounds ? told.map(roundHalfEven) : told;
  }
  const levels = [...sigmas, last].map((sigma, i) => preservingAt(Math.trunc(timesteps[i] ?? 0), Math.fround(sigma)));
  return chain(levels);
}

function buildDpm(config: Config): Sampler {
  const order = config.whole("solver_order", 1);
  const name = config.one("algorithm_type", KINDS);
  const kind: DpmKind = name === "deis" ? "dpmsolver++" : (name as DpmKind);
  const endsClean = config.one("final_sigmas_type", ["zero", "sigma_min"]) === "zero";
  if (order > 3) {
    throw new Problem(`\`solver_order\` is ${order}: expected one of 1, 2, 3`);
  }
  if (kind === "dpmsolver" && endsClean) {
    throw new Problem("`algorithm_type` is `dpmsolver`: expected a schedule that does not end at sigma 0");
  }
  const table = trainingSigmas(alphasCumprod(config, true));
  const intervals = dpmIntervals(config, table, endsClean ? 0 : (table[0] as number));
  const lastStep = intervals.at(-1);
  if (kind === "sde-dpmsolver++" && lastStep !== undefined && lastStep.end.nominal > lastStep.start.nominal) {
    throw new Problem("`final_sigmas_type` is `sigma_min`: expected an end below the last level", "take fewer steps");
  }
  const heun = config.one("solver_type", ["midpoint", "heun", "logrho", "bh1", "bh2"]) === "heun";
  const rules = {
    order,
    kind,
    heun,
    lowerOrderFinal: config.truth("lower_order_final"),
    eulerAtFinal: config.truth("euler_at_final"),
  };
  return {
    intervals,
    solver: dpmMultistep(rules) as Solver,
    parametrisation: parametrisationOf(config.text("prediction_type"), PREDICTIONS),
    limit: null,
    initNoiseSigma: 1,
  };
}

function buildPlms(config: Config): Sampler {
  const train = config.whole("num_train_timesteps", 1);
  const steps = stepsOf(config, train);
  const stride = Math.floor(train / steps);
  const products = alphasCumprod(config);
  const final = finalProduct(config, products);
  const timesteps = spacing(config).map(roundHalfEven);
  const at = (t: number): Level => levelAt(products, t, final);
  // The second call repeats the first step.
  const calls = steps > 1 ? [timesteps[0] as number, timesteps[1] as number, ...timesteps.slice(1)] : timesteps;
  const parametrisation = parametrisationOf(config.text("prediction_type"), WITHOUT_CLEAN);
  return {
    intervals: calls.map((t, index) => ({
      start: at(t),
      end: at(t - stride),
      index,
      total: steps,
      via: at(Math.min(t + stride, train - 1)),
    })),
    solver: plms(parametrisation) as Solver,
    parametrisation,
    limit: null,
    initNoiseSigma: 1,
  };
}

const NO_ODD_GRID = { use_beta_sigmas: false, use_flow_sigmas: false, use_lu_lambdas: false } as const;

export const READINGS: Readonly<Record<string, Reading>> = {
  DDIMScheduler: { fields: DDIM_FIELDS, neutral: NO_THRESHOLD, build: buildDdim },
  LCMScheduler: {
    fields: {
      ...DDIM_FIELDS,
      beta_start: 0.00085,
      beta_end: 0.012,
      beta_schedule: "scaled_linear",
      clip_sample: false,
      original_inference_steps: 50,
      timestep_scaling: 10,
      strength: 1,
    },
    neutral: NO_THRESHOLD,
    build: buildLcm,
  },
  EulerDiscreteScheduler: {
    fields: EULER_FIELDS,
    neutral: { ...NO_ODD_GRID, interpolation_type: "linear", timestep_type: "discrete" },
    build: buildEuler,
  },
  EulerAncestralDiscreteScheduler: {
    fields: { ...BETAS, timestep_spacing: "linspace" },
    neutral: {},
    build: buildEulerAncestral,
  },
  DPMSolverMultistepScheduler: {
    fields: DPM_FIELDS,
    neutral: { ...NO_THRESHOLD, ...NO_ODD_GRID },
    build: buildDpm,
  },
  PNDMScheduler: {
    fields: { ...BETAS, set_alpha_to_one: false, timestep_spacing: "leading" },
    neutral: { skip_prk_steps: true },
    build: buildPlms,
  },
};

/**
 * The sampler that a config describes.
 *
 * @param config A bundle's scheduler, with `_class_name`.
 * @param asked Fields that the caller's sampler stands for.
 */
export function buildSampler(
  config: Readonly<Record<string, unknown>>,
  asked: Readonly<Record<string, unknown>>,
  steps: number,
): Sampler {
  const name = config["_class_name"];
  const reading = typeof name === "string" && Object.hasOwn(READINGS, name) ? READINGS[name] : undefined;
  if (reading === undefined) {
    throw new Problem(
      `the bundle's scheduler is ${quoted(name)}: expected one of ${Object.keys(READINGS).join(", ")}`,
    );
  }
  if (name === "PNDMScheduler" && config["skip_prk_steps"] !== true) {
    throw new Problem("`skip_prk_steps` of PNDMScheduler is false: expected true, which is all that this page draws with");
  }
  const sampler = reading.build(Config.of(String(name), config, asked, steps, reading.fields, reading.neutral));
  checkFirstLevel(sampler);
  return sampler;
}

