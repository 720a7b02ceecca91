/** A run of a stage: given, task, steps, result. The order of the random draws is the recipe's. */

import type { Floats } from "../arrays/tensor";
import { asFloats, floats, sameShape } from "../arrays/tensor";
import type { Manifest } from "../bundle/manifest";
import type { Session } from "../engine/session";
import { TorchCpuNoise } from "../noise/torch_cpu";
import type { Context, Pixels, Value } from "../parts/values";
import { branches, valueOf } from "../parts/values";
import { runPart } from "../parts/work";
import { Problem } from "../problem";
import type { Part } from "../recipe/declarations";
import { sampleShape } from "../recipe/recipe";
import { iterate } from "../sampling/sampler";
import type { ClipTokenizer } from "../text/clip";
import { guidedNetwork } from "./guidance";
import { samplerFor } from "./schedules";
import type { Settings } from "./settings";

/** Gives components and takes them back: what is not held may be freed. */
export interface Components {
  use(role: string): Promise<Session>;
  release(role: string): Promise<void>;
}

export interface StepDone {
  readonly index: number;
  readonly total: number;
  readonly denoised: Floats;
  readonly seconds: number;
}

export interface Drawing {
  readonly manifest: Manifest;
  readonly settings: Settings;
  readonly image: Pixels | null;
  readonly components: Components;
  readonly tokenizers: ReadonlyMap<string, ClipTokenizer>;
  readonly tell: (notice: string) => void;
  /** Called after every step; what it throws ends the run. */
  readonly onStep: (step: StepDone) => Promise<void>;
}

export async function draw(drawing: Drawing): Promise<Pixels> {
  const { manifest, settings, components } = drawing;
  const { stage } = manifest;
  const sampler = samplerFor(manifest, settings);
  const context: Context = {
    stage: stage.name,
    settings,
    space: stage.space,
    image: drawing.image,
    tokenizers: drawing.tokenizers,
    compute: (role) => components.use(role),
    rng: new TorchCpuNoise(settings.seed),
    tell: drawing.tell,
    values: new Map(),
    pictures: [],
  };
  await runOnce(stage.given, context, components);
  const given = new Set(context.values.keys());
  await runOnce(stage.tasks[settings.task] ?? [], context, components);
  const shape = [1, ...sampleShape(stage.space, settings.width, settings.height)];
  const noise = beginning("noise", context, shape);
  const start = context.values.has("start") ? beginning("start", context, shape) : null;
  const conditions = branches(context.values, settings.guided, stage.guidance?.zeros ?? []);
  const kept = [...(conditions[0] ?? new Map<string, Value>())].filter(([name]) => given.has(name));
  let latents = noise;
  let began = performance.now();
  const network = guidedNetwork(stage, context, conditions, shape);
  for await (const step of iterate(sampler, network, noise, context.rng, start)) {
    latents = stage.schedule.ends === "denoised" ? step.denoised : step.sample;
    const seconds = (performance.now() - began) / 1000;
    await drawing.onStep({ index: step.index, total: step.total, denoised: floats(step.denoised, shape), seconds });
    began = performance.now();
  }
  await freeGraphs(stage.network, components);
  context.values.clear();
  kept.forEach(([name, value]) => context.values.set(name, value));
  context.values.set("x", { array: floats(latents, shape), rows: "pictures" });
  await runOnce(stage.result, context, components);
  const picture = context.pictures[0];
  if (picture === undefined) {
    throw new Problem("the recipe's result has no picture");
  }
  return picture;
}

/** Run parts once; a graph is needed for its own part only. */
async function runOnce(parts: readonly Part[], context: Context, components: Components): Promise<void> {
  for (const part of parts) {
    await runPart(part, context);
  }
  await freeGraphs(parts, components);
}

async function freeGraphs(parts: readonly Part[], components: Components): Promise<void> {
  for (const part of parts) {
    if (part.part === "graph") {
      await components.release(part.role);
    }
  }
}

/** What the sampler begins with, in the shape that the stage says. */
function beginning(name: string, context: Context, shape: readonly number[]): Float32Array {
  const array = asFloats(valueOf(context, name).array);
  if (!sameShape(array.shape, shape)) {
    throw new Problem(
      `the recipe makes \`${name}\` shaped [${array.shape.join(", ")}]: expected [${shape.join(", ")}], as its space says`,
    );
  }
  return array.data;
}
