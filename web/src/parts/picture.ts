/** The caller's picture in the size of the run: `(1, 3, height, width)`, float32 in [-1, 1]. */

import { floats } from "../arrays/tensor";
import { resized } from "../media/lanczos";
import { Problem } from "../problem";
import type { Picture } from "../recipe/declarations";
import type { Context, Value } from "./values";

const round = Math.fround;

export function picture(part: Picture, { settings, image }: Context): readonly (readonly [string, Value])[] {
  if (image === null) {
    throw new Problem(`\`${part.choice}\` is missing: expected a picture to start from`);
  }
  const { width, height } = settings;
  const { data: pixels } = resized(image, width, height);
  const data = new Float32Array(3 * width * height);
  for (let place = 0; place < width * height; place += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      const share = round((pixels[place * 3 + colour] as number) / 255);
      data[colour * width * height + place] = round(2 * share) - 1;
    }
  }
  return [[part.to, { array: floats(data, [1, 3, height, width]), rows: null }]];
}
