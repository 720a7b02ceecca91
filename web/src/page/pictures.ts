/** Pictures between files, canvases and arrays. */

import type { Pixels } from "../parts/values";
import { Problem } from "../problem";

const MOST_PIXELS = 89_478_485;

/** A file's picture in RGB, upright; transparency becomes white. */
export async function pixelsOf(file: Blob): Promise<Pixels> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", imageOrientation: "from-image" });
  } catch {
    throw new Problem("the picture cannot be read: expected one such as PNG or JPEG");
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    throw new Problem(`the picture has ${width}x${height} pixels: expected at most ${MOST_PIXELS}`, "make it smaller first");
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (context === null) {
    throw new Problem("the picture cannot be read: the browser has no canvas for it");
  }
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let place = 0; place < width * height; place += 1) {
    data.set(rgba.subarray(place * 4, place * 4 + 3), place * 3);
  }
  return { width, height, data };
}

/** Show pixels on a canvas of so many pixels, smoothed where they are fewer. */
export function show(canvas: HTMLCanvasElement, pixels: Pixels, width: number, height: number): void {
  const small = new OffscreenCanvas(pixels.width, pixels.height);
  const rgba = new Uint8ClampedArray(pixels.width * pixels.height * 4).fill(255);
  for (let place = 0; place < pixels.width * pixels.height; place += 1) {
    rgba.set(pixels.data.subarray(place * 3, place * 3 + 3), place * 4);
  }
  small.getContext("2d")?.putImageData(new ImageData(rgba, pixels.width, pixels.height), 0, 0);
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (context !== null) {
    context.imageSmoothingEnabled = pixels.width < width;
    context.drawImage(small, 0, 0, width, height);
  }
}
