/** The whole way in Node: the shipped models over ONNX Runtime's WebAssembly, against pictures that Python drew. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import type * as Ort from "onnxruntime-common";

import { readManifest } from "../src/bundle/manifest";
import { componentsOf } from "../src/engine/components";
import { resolve } from "../src/running/settings";
import { draw } from "../src/running/stage";
import { ClipTokenizer } from "../src/text/clip";
import { bytesOf, golden, largestDifference, ROOT } from "./golden";

const ort = (await import("onnxruntime-web")) as typeof Ort;
ort.env.wasm.numThreads = 1;

for (const drawing of golden.drawings) {
  const what = `${drawing.model}, ${JSON.stringify(drawing.options)}${drawing.image === null ? "" : ", from a picture"}`;
  test(`${what}: the picture of the Python runtime, to two levels in 255`, async () => {
    const folder = join(ROOT, "edgediff", "models", drawing.model);
    const read = (path: string): Buffer => readFileSync(join(folder, path));
    const manifest = readManifest(JSON.parse(read("edgediff.json").toString("utf8")));
    const [{ path, maxTokens }] = manifest.tokenizers as [(typeof manifest.tokenizers)[number]];
    const whole: unknown = JSON.parse(read(`${path}/tokenizer.json`).toString("utf8"));
    const number = (name: string): number | null => (drawing.options[name] as number | undefined) ?? null;
    const image =
      drawing.image === null ? null : { ...drawing.image, data: bytesOf(drawing.image.pixels) };
    const settings = resolve(manifest, {
      prompt: drawing.prompt,
      negativePrompt: (drawing.options["negative_prompt"] as string | undefined) ?? null,
      seed: number("seed") ?? 0,
      steps: number("steps"),
      guidance: number("guidance"),
      sampler: (drawing.options["sampler"] as string | undefined) ?? null,
      width: number("width"),
      height: number("height"),
      strength: number("strength"),
      image,
    });
    let steps = 0;
    const picture = await draw({
      manifest,
      settings,
      image,
      components: componentsOf(ort, manifest, "wasm", async (file) => Uint8Array.from(read(file)), () => undefined),
      tokenizers: new Map([[path, new ClipTokenizer(new Map([["tokenizer.json", whole]]), maxTokens, path)]]),
      tell: (notice) => assert.fail(notice),
      onStep: async () => {
        steps += 1;
      },
    });
    assert.ok(steps > 0);
    assert.deepEqual([picture.width, picture.height], [drawing.width, drawing.height]);
    const difference = largestDifference(picture.data, bytesOf(drawing.pixels));
    assert.ok(difference <= 2, `${difference} levels`);
  });
}

test("a graph that ONNX Runtime does not take is one sentence", async () => {
  const path = join(ROOT, "edgediff", "models", "emoji", "edgediff.json");
  const manifest = readManifest(JSON.parse(readFileSync(path, "utf8")));
  const components = componentsOf(ort, manifest, "wasm", async () => Uint8Array.of(1, 2, 3), () => undefined);
  await assert.rejects(components.use("unet"), /^Problem: `unet` cannot be loaded: /u);
});
