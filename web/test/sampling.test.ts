import assert from "node:assert/strict";
import { test } from "node:test";

import { TorchCpuNoise } from "../src/noise/torch_cpu";
import { buildSampler } from "../src/sampling/classes";
import { samplerConfig } from "../src/sampling/names";
import type { Sampler } from "../src/sampling/sampler";
import { forStrength, iterate } from "../src/sampling/sampler";
import { golden, largestDifference } from "./golden";

const round = Math.fround;
const COUNT = 64;
type Case = (typeof golden.samplers)[number];

/** The network of the goldens: half of x, a little of the time step. */
async function model(x: Float32Array, t: number): Promise<Float32Array> {
  const shift = round(t * 0.0005);
  return x.map((value) => round(round(0.5) * value) + shift);
}

function samplerOf({ config, sampler, steps, strength }: Case): Sampler {
  const named = sampler === null ? { config, asked: {} } : samplerConfig(sampler, config);
  const built = buildSampler(named.config, named.asked, steps);
  return strength === null ? built : forStrength(built, strength);
}

for (const one of golden.samplers) {
  test(`${one.what}: time steps and sample are those of the Python runtime`, async () => {
    const sampler = samplerOf(one);
    const told = sampler.intervals.map((interval) => interval.start.t);
    assert.ok(largestDifference(told, one.timesteps) <= 1e-3, `${told.join()} ${one.timesteps.join()}`);
    const rng = new TorchCpuNoise(7);
    const start = one.strength === null ? null : Float32Array.from({ length: COUNT }, (_, i) => i / COUNT);
    let sample = new Float32Array();
    for await (const step of iterate(sampler, model, rng.standardNormal(COUNT), rng, start)) {
      sample = Float32Array.from(step.sample);
    }
    const scale = Math.max(1, ...one.sample.map(Math.abs));
    assert.ok(largestDifference(sample, one.sample) <= 2e-5 * scale);
  });
}

const DDIM = { _class_name: "DDIMScheduler", beta_schedule: "scaled_linear", beta_start: 0.00085, beta_end: 0.012 };

test("what is not known is refused by name", () => {
  const refused = (config: Record<string, unknown>, expected: RegExp): void => {
    assert.throws(() => buildSampler(config, {}, 10), expected);
  };
  refused({ _class_name: "UniPCMultistepScheduler" }, /scheduler is "UniPCMultistepScheduler": expected one of DDIM/u);
  refused({ ...DDIM, thresholding: true }, /`thresholding` of DDIMScheduler is true: expected false/u);
  refused({ ...DDIM, beta_schedule: "sigmoid" }, /`beta_schedule` is "sigmoid"/u);
  refused({ ...DDIM, prediction_type: "flow_prediction" }, /`prediction_type` is "flow_prediction"/u);
  refused({ ...DDIM, beta_start: null }, /`beta_start` of the scheduler is null: expected a number/u);
  refused({ _class_name: "PNDMScheduler" }, /`skip_prk_steps` of PNDMScheduler is false/u);
  assert.throws(() => buildSampler(DDIM, {}, 0), /`steps` is 0: expected a whole number from 1/u);
  assert.throws(() => samplerConfig("heun", DDIM), /`sampler` is "heun": expected one of ddim/u);
});

test("a strength that leaves no step is refused", () => {
  assert.throws(() => forStrength(buildSampler(DDIM, {}, 4), 0.1), /expected a strength that leaves at least one step/u);
});
