/** Samplers by the names people know, applied to a model's own scheduler config. */

import { Problem, quoted } from "../problem";

export interface Named {
  readonly label: string;
  readonly className: string;
  /** Fields of the config that make the name. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** For models that were distilled for it. */
  readonly distilled?: boolean;
}

const DPM = "DPMSolverMultistepScheduler";
const dpm = (kind: string): Record<string, unknown> => ({
  algorithm_type: kind,
  solver_order: 2,
  solver_type: "midpoint",
});
const KARRAS = { use_karras_sigmas: true, use_exponential_sigmas: false, use_beta_sigmas: false } as const;

/** By the name that `edgediff run --sampler` takes. */
export const SAMPLERS: Readonly<Record<string, Named>> = {
  ddim: { label: "DDIM", className: "DDIMScheduler", fields: {} },
  plms: { label: "PLMS", className: "PNDMScheduler", fields: { skip_prk_steps: true } },
  euler: { label: "Euler", className: "EulerDiscreteScheduler", fields: {} },
  euler_karras: { label: "Euler, Karras", className: "EulerDiscreteScheduler", fields: KARRAS },
  euler_a: { label: "Euler ancestral", className: "EulerAncestralDiscreteScheduler", fields: {} },
  dpmpp_2m: { label: "DPM++ 2M", className: DPM, fields: dpm("dpmsolver++") },
  dpmpp_2m_karras: { label: "DPM++ 2M, Karras", className: DPM, fields: { ...dpm("dpmsolver++"), ...KARRAS } },
  dpmpp_2m_sde: { label: "DPM++ 2M SDE", className: DPM, fields: dpm("sde-dpmsolver++") },
  lcm: { label: "LCM", className: "LCMScheduler", fields: {}, distilled: true },
};

/** The config of a sampler for a model: shared fields are carried over, those of the name replace the model's. */
export function samplerConfig(
  name: string,
  base: Readonly<Record<string, unknown>>,
): { config: Record<string, unknown>; asked: Readonly<Record<string, unknown>> } {
  const named = Object.hasOwn(SAMPLERS, name) ? SAMPLERS[name] : undefined;
  if (named === undefined) {
    throw new Problem(`\`sampler\` is ${quoted(name)}: expected one of ${Object.keys(SAMPLERS).join(", ")}`);
  }
  if (base["prediction_type"] === "flow_prediction") {
    throw new Problem("the model predicts a flow: expected another one, for this page has no sampler for it");
  }
  return { config: { ...base, ...named.fields, _class_name: named.className }, asked: named.fields };
}
