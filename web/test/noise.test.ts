import assert from "node:assert/strict";
import { test } from "node:test";

import { TorchCpuNoise } from "../src/noise/torch_cpu";
import { golden, largestDifference } from "./golden";

test("uniforms are those of torch, bit for bit", () => {
  for (const { seed, numbers } of golden.uniforms) {
    assert.deepEqual([...new TorchCpuNoise(seed).uniform(numbers.length)], numbers);
  }
});

test("normals are those of the NumPy runtime to the last bits of float32, draw after draw", () => {
  for (const { seed, draws } of golden.noise) {
    const noise = new TorchCpuNoise(seed);
    for (const draw of draws) {
      assert.ok(largestDifference(noise.standardNormal(draw.length), draw) <= 1e-6);
    }
  }
});

test("a seed that is no whole number is refused", () => {
  assert.throws(() => new TorchCpuNoise(0.5), /`seed` is 0.5: expected a whole number/u);
  assert.throws(() => new TorchCpuNoise(-1), /`seed` is -1/u);
});
