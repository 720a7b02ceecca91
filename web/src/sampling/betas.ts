/** Training schedules of DDPM-like models: betas and their cumulative products, in the reference's float32. */

import { Problem, quoted } from "../problem";
import type { Config } from "./config";

const round = Math.fround;
const MAX_BETA = 0.999;
/** Replaces a cumulative product of 0 where log(SNR) must be finite. */
const ALMOST_ZERO = 2 ** -24;

/** The cumulative products of a config's betas, ascending in noise. */
export function alphasCumprod(config: Config, keepFinite: boolean = false): Float32Array {
  const rescaled = config.has("rescale_betas_zero_snr") && config.truth("rescale_betas_zero_snr");
  const betas = rescaled ? rescaledToZero(makeBetas(config)) : makeBetas(config);
  const products = cumprod(betas.map((beta) => 1 - beta));
  if (rescaled && keepFinite) {
    products[products.length - 1] = ALMOST_ZERO;
  }
  return products;
}

function makeBetas(config: Config): Float32Array {
  const trained = config.numbers("trained_betas");
  if (trained !== null) {
    return Float32Array.from(trained);
  }
  const steps = config.whole("num_train_timesteps", 1);
  const [start, end] = [config.number("beta_start"), config.number("beta_end")];
  const name = config.text("beta_schedule");
  switch (name) {
    case "linear":
      return linspace32(start, end, steps);
    case "scaled_linear":
      return linspace32(Math.sqrt(start), Math.sqrt(end), steps).map((root) => root * root);
    case "squaredcos_cap_v2":
      return fromAlphaBar((t) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2, steps);
    case "exp":
      return fromAlphaBar((t) => Math.exp(t * -12), steps);
    default:
      throw new Problem(
        `\`beta_schedule\` is ${quoted(name)}: expected one of linear, scaled_linear, squaredcos_cap_v2, exp`,
      );
  }
}

/** `torch.linspace` in float32: counted from both ends with a fused multiply-add. */
export function linspace32(start: number, end: number, steps: number): Float32Array {
  if (steps === 1) {
    return Float32Array.of(start);
  }
  const [first, last] = [round(start), round(end)];
  const stride = round(round(last - first) / round(steps - 1));
  const half = Math.floor(steps / 2);
  return Float32Array.from({ length: steps }, (_, i) => (i < half ? first + stride * i : last - stride * (steps - 1 - i)));
}

/** `torch.cumprod` of float32 on a CPU: accumulated in float64. */
function cumprod(alphas: Float32Array): Float32Array {
  let product = 1;
  return alphas.map((alpha) => {
    product *= alpha;
    return product;
  });
}

/** Betas from a continuous cumulative product (Nichol & Dhariwal 2021, equation 17). */
function fromAlphaBar(alphaBar: (t: number) => number, steps: number): Float32Array {
  return Float32Array.from({ length: steps }, (_, i) =>
    Math.min(1 - alphaBar((i + 1) / steps) / alphaBar(i / steps), MAX_BETA),
  );
}

/** Shift and scale sqrt(alpha_bar) so that the last level is pure noise (Lin et al. 2023, algorithm 1). */
function rescaledToZero(betas: Float32Array): Float32Array {
  const root = cumprod(betas.map((beta) => 1 - beta)).map((product) => Math.sqrt(product));
  const first = root[0] as number;
  const last = root[root.length - 1] as number;
  const factor = round(first / round(first - last));
  const bar = root.map((value) => {
    const moved = round(round(value - last) * factor);
    return moved * moved;
  });
  return bar.map((value, i) => 1 - (i === 0 ? value : round(value / (bar[i - 1] as number))));
}

/** Noise-to-signal ratios of cumulative products: `sqrt((1 - alpha_bar) / alpha_bar)`. */
export function trainingSigmas(products: Float32Array): Float32Array {
  return products.map((product) => Math.sqrt(round(round(1 - product) / product)));
}
