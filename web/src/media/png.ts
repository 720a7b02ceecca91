/** PNG files (RFC 2083) of 8 bits per colour, with texts: what `edgediff inspect` and `run --repeat` read. */

import type { Pixels } from "../parts/values";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const RGB = 2;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  }
  return value;
});

function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value = (CRC_TABLE[(value ^ byte) & 0xff] as number) ^ (value >>> 8);
  }
  return (value ^ 0xffffffff) >>> 0;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    bytes.set(part, place);
    place += part.length;
  }
  return bytes;
}

function bigEndian(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

function chunk(name: string, body: Uint8Array): Uint8Array {
  const named = joined([new TextEncoder().encode(name), body]);
  return joined([bigEndian(body.length), named, bigEndian(crc32(named))]);
}

async function deflated(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The bytes of a file with a text under each key. */
export async function pngOf(picture: Pixels, texts: Readonly<Record<string, string>>): Promise<Uint8Array<ArrayBuffer>> {
  const { width, height, data } = picture;
  const lines = new Uint8Array(height * (1 + width * 3));
  for (let row = 0; row < height; row += 1) {
    // Every line begins with its filter: 0, none.
    lines.set(data.subarray(row * width * 3, (row + 1) * width * 3), row * (1 + width * 3) + 1);
  }
  const encoder = new TextEncoder();
  return joined([
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", joined([bigEndian(width), bigEndian(height), Uint8Array.of(8, RGB, 0, 0, 0)])),
    ...Object.entries(texts).map(([key, text]) =>
      chunk("iTXt", joined([encoder.encode(key), Uint8Array.of(0, 0, 0, 0, 0), encoder.encode(text)])),
    ),
    chunk("IDAT", await deflated(lines)),
    chunk("IEND", new Uint8Array()),
  ]);
}
