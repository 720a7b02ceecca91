/** A rough picture from latents by the bundle's linear map, one pixel per entry. */

import type { Floats } from "../arrays/tensor";
import type { Pixels } from "../parts/values";
import type { Space } from "../recipe/recipe";

export function previewOf(latents: Floats, space: Space): Pixels | null {
  const table = space.preview;
  if (table === null) {
    return null;
  }
  const [, count = 0, height = 0, width = 0] = latents.shape;
  const plane = height * width;
  const data = new Uint8Array(plane * 3);
  for (let place = 0; place < plane; place += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      let sum = table[count]?.[colour] ?? 0;
      for (let channel = 0; channel < count; channel += 1) {
        sum += (latents.data[channel * plane + place] as number) * (table[channel]?.[colour] ?? 0);
      }
      data[place * 3 + colour] = Math.round(Math.min(Math.max(sum, 0), 1) * 255);
    }
  }
  return { width, height, data };
}
