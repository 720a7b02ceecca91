/** What the parts of a recipe do: one function for each kind. A run draws one picture. */

import { roundHalfEven } from "../arrays/float32";
import type { Floats } from "../arrays/tensor";
import { asFloats, channels, concatenate, floats, sizeOf, wholes } from "../arrays/tensor";
import { Problem } from "../problem";
import type { Affine, Choice, Gaussian, Graph, Join, Kind, Part, Pictures, Sinusoid, Sizes, Tokens } from "../recipe/declarations";
import { sampleShape } from "../recipe/recipe";
import { optionOf, sizeOption } from "../running/settings";
import { picture } from "./picture";
import type { Context, Value } from "./values";
import { rowsOf, valueOf } from "./values";

type Written = readonly (readonly [string, Value])[];
type Work<P extends Part> = (part: P, context: Context) => Written | Promise<Written>;
const round = Math.fround;
// The logarithm of the variance is clipped to this range.
const LOGVAR_RANGE = [-30, 20] as const;

/** The prompt's ids, and those of the negative prompt where the unguided branch has one. */
function tokens(part: Tokens, context: Context): Written {
  const { settings } = context;
  const tokenizer = context.tokenizers.get(part.tokenizer);
  if (tokenizer === undefined) {
    throw new Problem(`the recipe reads the tokenizer \`${part.tokenizer}\`: expected it in the bundle`);
  }
  const length = part.length ?? tokenizer.maxTokens;
  const framed = (template: string, text: string): string =>
    template.replace("{}", () => (part.clean === "lower" ? text.toLowerCase().trim() : text));
  const texts = [framed(part.template, settings.prompt)];
  if (settings.negativePrompt !== null) {
    texts.push(framed(part.negative_template ?? part.template, settings.negativePrompt));
  }
  const encoded = texts.map((text) => tokenizer.encode(text, length, context.tell));
  const shape = [texts.length, length];
  const written: [string, Value][] = [
    [part.ids, { array: wholes(Float64Array.from(encoded.flatMap((row) => row.ids)), shape), rows: "texts" }],
  ];
  if (part.mask !== null) {
    written.push([
      part.mask,
      { array: wholes(Float64Array.from(encoded.flatMap((row) => row.mask)), shape), rows: "texts" },
    ]);
  }
  return written;
}

/** The wanted outputs of a graph; their rows are those of what it is fed. One picture is one row, so `alone` is met. */
async function graph(part: Graph, context: Context): Promise<Written> {
  const session = await context.compute(part.role);
  const feeds = Object.entries(part.feeds).map(([input, name]) => [input, valueOf(context, name)] as const);
  const arrays = new Map(feeds.map(([input, value]) => [input, value.array]));
  const outputs = await session.run(arrays, Object.keys(part.takes));
  const rows = rowsOf(feeds.map(([, value]) => value));
  return Object.entries(part.takes).map(([output, name]) => [name, { array: outputs.get(output) as Floats, rows }]);
}

function sizes(part: Sizes, { settings }: Context): Written {
  const numbers = (fields: readonly (string | number)[]): number[] =>
    fields.map((field) => (typeof field === "number" ? field : sizeOption(field, part, settings)));
  const found = [numbers(part.fields)];
  if (settings.guided && part.negative_fields !== null) {
    found.push(numbers(part.negative_fields));
  }
  const array = floats(Float32Array.from(found.flat()), [found.length, part.fields.length]);
  return [[part.to, { array, rows: "texts" }]];
}

function choice(part: Choice, { settings }: Context): Written {
  const chosen = optionOf(settings, part.choice, part.default);
  const entries = [chosen];
  if (settings.guided && part.null !== null) {
    entries.push(part.null);
  }
  const array = floats(Float32Array.from(entries, (entry) => entry * part.scale), [entries.length]);
  return [[part.to, { array, rows: "texts" }]];
}

/** Sines, then cosines, at frequencies from 1 down to 1 / 10 000. */
function sinusoid(part: Sinusoid, { settings }: Context): Written {
  const phase = round((optionOf(settings, part.choice, null) + part.shift) * part.scale);
  const half = Math.floor(part.dim / 2);
  const step = round(-Math.log(10_000) / (half - 1));
  const angles = Array.from({ length: half }, (_, i) => round(phase * round(Math.exp(round(i * step)))));
  const data = new Float32Array(part.dim);
  data.set(angles.map((angle) => Math.sin(angle)));
  data.set(angles.map((angle) => Math.cos(angle)), half);
  return [[part.to, { array: floats(data, [1, part.dim]), rows: "pictures" }]];
}

function gaussian(part: Gaussian, context: Context): Written {
  const moments = asFloats(valueOf(context, part.moments).array);
  const half = (moments.shape[1] ?? 0) / 2;
  const [mean, logvar] = [channels(moments, 0, half), channels(moments, half, 2 * half)];
  const draws = context.rng.standardNormal(mean.data.length);
  const data = mean.data.map((value, i) => {
    const log = Math.min(Math.max(logvar.data[i] as number, LOGVAR_RANGE[0]), LOGVAR_RANGE[1]);
    return value + round(round(Math.exp(round(0.5 * log))) * (draws[i] as number));
  });
  return [[part.to, { array: floats(data, mean.shape), rows: "pictures" }]];
}

function join(part: Join, context: Context): Written {
  const values = part.names.map((name) => valueOf(context, name));
  const array = concatenate(
    values.map((value) => value.array),
    part.axis,
  );
  return [[part.to, { array, rows: rowsOf(values) }]];
}

/** `(value - minus) * times / over + plus`, each step rounded; what is as by default is left out. */
function affine(part: Affine, context: Context): Written {
  const value = valueOf(context, part.name);
  const array = asFloats(value.array);
  const each = sizeOf(array.shape.slice(2));
  const count = array.shape[1] ?? 1;
  const at = (numbers: Affine["minus"], index: number): number =>
    round(typeof numbers === "number" ? numbers : (numbers[Math.floor(index / each) % count] as number));
  const apply = (
    data: Float32Array,
    numbers: Affine["minus"],
    neutral: number,
    operate: (x: number, by: number) => number,
  ): Float32Array => (numbers === neutral ? data : data.map((x, index) => operate(x, at(numbers, index))));
  let data = apply(array.data, part.minus, 0, (x, by) => x - by);
  data = apply(data, part.times, 1, (x, by) => x * by);
  data = apply(data, part.over, 1, (x, by) => x / by);
  data = apply(data, part.plus, 0, (x, by) => x + by);
  return [[part.to, { array: floats(data, array.shape), rows: value.rows }]];
}

/** The result as pixels of 8 bits: `round(clip(x / 2 + 0.5) * 255)`, in float32. */
function pictures(part: Pictures, context: Context): Written {
  const array = asFloats(valueOf(context, part.name).array);
  const [, count = 0, height = 0, width = 0] = array.shape;
  if (array.shape.length !== 4 || (count !== 1 && count !== 3)) {
    throw new Problem(`the recipe's result makes pictures shaped [${array.shape.join(", ")}]: expected 1 or 3 channels`);
  }
  const plane = width * height;
  const data = new Uint8Array(plane * 3);
  for (let place = 0; place < plane; place += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      const x = array.data[(count === 1 ? 0 : colour) * plane + place] as number;
      const share = Math.min(Math.max(round(round(x / 2) + 0.5), 0), 1);
      data[place * 3 + colour] = roundHalfEven(round(share * 255));
    }
  }
  context.pictures.push({ width, height, data });
  return [];
}

function noise(part: { readonly to: string }, { settings, space, rng }: Context): Written {
  const shape = [1, ...sampleShape(space, settings.width, settings.height)];
  return [[part.to, { array: floats(rng.standardNormal(sizeOf(shape)), shape), rows: "pictures" }]];
}

export const WORK: { readonly [K in Kind]: Work<Extract<Part, { part: K }>> } = {
  tokens,
  graph,
  sizes,
  choice,
  sinusoid,
  picture,
  noise,
  gaussian,
  join,
  affine,
  pictures,
};

/** Do the work of a part: its values go into the context. */
export async function runPart(part: Part, context: Context): Promise<void> {
  const work = WORK[part.part] as Work<Part>;
  for (const [name, value] of await work(part, context)) {
    context.values.set(name, value);
  }
}
