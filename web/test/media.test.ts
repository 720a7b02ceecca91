import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";

import { resized } from "../src/media/lanczos";
import { pngOf } from "../src/media/png";
import { bytesOf, golden } from "./golden";

test("pictures are resized to Pillow's pixels", () => {
  for (const { from, to, pixels, result } of golden.resized) {
    const image = { width: from[0], height: from[1], data: bytesOf(pixels) };
    assert.deepEqual(resized(image, to[0], to[1]).data, bytesOf(result), `${from.join("x")} to ${to.join("x")}`);
  }
});

test("a PNG has its texts and its pixels", async () => {
  const data = Uint8Array.from({ length: 2 * 3 * 3 }, (_, i) => i * 7);
  const bytes = Buffer.from(await pngOf({ width: 2, height: 3, data }, { edgediff: '{"é": 1}' }));
  const chunks = new Map<string, Buffer>();
  for (let place = 8; place < bytes.length; ) {
    const length = bytes.readUInt32BE(place);
    chunks.set(bytes.toString("latin1", place + 4, place + 8), bytes.subarray(place + 8, place + 8 + length));
    place += length + 12;
  }
  assert.deepEqual([...chunks.keys()], ["IHDR", "iTXt", "IDAT", "IEND"]);
  assert.equal(chunks.get("iTXt")?.toString("utf8"), 'edgediff\0\0\0\0\0{"é": 1}');
  const lines = inflateSync(chunks.get("IDAT") ?? Buffer.of());
  assert.deepEqual([...lines], [0, ...data.subarray(0, 6), 0, ...data.subarray(6, 12), 0, ...data.subarray(12, 18)]);
});
