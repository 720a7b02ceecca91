/** Resizing with Lanczos' kernel as Pillow does it for 8-bit pictures: across, then down, with rounded weights. */

import type { Pixels } from "../parts/values";

const SUPPORT = 3;
const PRECISION_BITS = 32 - 8 - 2;
const CHANNELS = 3;

interface Window {
  readonly first: number;
  /** Weights in whole numbers of 2^-22. */
  readonly weights: readonly number[];
}

export function resized(image: Pixels, width: number, height: number): Pixels {
  const across = image.width === width ? image : horizontally(image, width);
  return across.height === height ? across : vertically(across, height);
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

function lanczos(x: number): number {
  return x >= -SUPPORT && x < SUPPORT ? sinc(x) * sinc(x / SUPPORT) : 0;
}

/** Which entries make each entry of the result, and how much. */
function windows(from: number, to: number): Window[] {
  const scale = from / to;
  const filterScale = Math.max(scale, 1);
  const support = SUPPORT * filterScale;
  return Array.from({ length: to }, (_, index) => {
    const center = (index + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), from);
    const raw = Array.from({ length: end - first }, (__, i) => lanczos((i + first - center + 0.5) * (1 / filterScale)));
    const sum = raw.reduce((total, weight) => total + weight, 0);
    const weights = raw.map((weight) => {
      const share = (sum === 0 ? weight : weight * (1 / sum)) * 2 ** PRECISION_BITS;
      return Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    });
    return { first, weights };
  });
}

function clip8(sum: number): number {
  return Math.min(Math.max(Math.floor(sum / 2 ** PRECISION_BITS), 0), 255);
}

function horizontally(image: Pixels, width: number): Pixels {
  const plan = windows(image.width, width);
  const data = new Uint8Array(width * image.height * CHANNELS);
  for (let row = 0; row < image.height; row += 1) {
    plan.forEach(({ first, weights }, column) => {
      for (let colour = 0; colour < CHANNELS; colour += 1) {
        let sum = 2 ** (PRECISION_BITS - 1);
        weights.forEach((weight, i) => {
          sum += weight * (image.data[(row * image.width + first + i) * CHANNELS + colour] as number);
        });
        data[(row * width + column) * CHANNELS + colour] = clip8(sum);
      }
    });
  }
  return { width, height: image.height, data };
}

function vertically(image: Pixels, height: number): Pixels {
  const { width } = image;
  const plan = windows(image.height, height);
  const data = new Uint8Array(width * height * CHANNELS);
  plan.forEach(({ first, weights }, row) => {
    for (let place = 0; place < width * CHANNELS; place += 1) {
      let sum = 2 ** (PRECISION_BITS - 1);
      weights.forEach((weight, i) => {
        sum += weight * (image.data[(first + i) * width * CHANNELS + place] as number);
      });
      data[row * width * CHANNELS + place] = clip8(sum);
    }
  });
  return { width, height, data };
}
