/** What is asked of a run, checked: every setting is applied or refused, none is ignored. */

import type { Defaults, Manifest } from "../bundle/manifest";
import type { Pixels } from "../parts/values";
import { Problem, quoted } from "../problem";
import type { Sizes } from "../recipe/declarations";
import { namesOf } from "../recipe/declarations";
import type { Space, Stage } from "../recipe/recipe";
import { phasesOf } from "../recipe/recipe";

/** As the page sends it; null takes the bundle's default. */
export interface Request {
  readonly prompt: string;
  readonly negativePrompt: string | null;
  readonly seed: number;
  readonly steps: number | null;
  readonly guidance: number | null;
  readonly sampler: string | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly strength: number | null;
  readonly image: Pixels | null;
}

export interface Settings {
  readonly prompt: string;
  /** Null where the unguided branch has no text of its own. */
  readonly negativePrompt: string | null;
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly guided: boolean;
  readonly sampler: string | null;
  readonly width: number;
  readonly height: number;
  readonly strength: number | null;
  readonly task: string;
}

const LARGEST_SIDE = 4096;
const MOST_STEPS = 1000;

/** What the page has to ask for. */
export interface Asked {
  readonly prompt: boolean;
  readonly guidance: boolean;
  readonly image: boolean;
  readonly sized: boolean;
  readonly multiple: number;
}

export function askedOf(stage: Stage): Asked {
  const read = phasesOf(stage).flatMap(([, parts]) => parts.flatMap((part) => namesOf(part, "option")));
  return {
    prompt: stage.given.some((part) => part.part === "tokens"),
    guidance: stage.guidance !== null || read.includes("guidance"),
    image: imageTask(stage) !== null,
    sized: stage.space.height === null || stage.space.width === null,
    multiple: stage.space.multiple ?? stage.space.factor,
  };
}

function imageTask(stage: Stage): string | null {
  const found = Object.entries(stage.tasks).find(([, parts]) => parts.some((part) => part.part === "picture"));
  return found === undefined ? null : found[0];
}

function plainTask(stage: Stage): string | null {
  const found = Object.entries(stage.tasks).find(([, parts]) => parts.every((part) => part.part !== "picture"));
  return found === undefined ? null : found[0];
}

export function resolve(manifest: Manifest, request: Request): Settings {
  const { stage, defaults } = manifest;
  const task = request.image === null ? plainTask(stage) : imageTask(stage);
  if (task === null) {
    const what = request.image === null ? "a picture, because the bundle draws from one" : "none, because the bundle draws from none";
    throw new Problem(`\`image\` is ${request.image === null ? "missing" : "given"}: expected ${what}`);
  }
  const guidance = request.guidance ?? defaults.guidance;
  if (!Number.isFinite(guidance)) {
    throw new Problem(`\`guidance\` is ${quoted(request.guidance)}: expected a finite number`);
  }
  const guided = stage.guidance !== null && guidance > stage.guidance.above;
  const negative = request.negativePrompt;
  if (negative !== null && !guided) {
    throw new Problem(
      `\`negative_prompt\` is ${quoted(negative)}: expected nothing, because without guidance above 1 it has no effect`,
      "raise the guidance",
    );
  }
  const [width, height] = sizeOf(stage.space, defaults, request);
  return {
    prompt: request.prompt,
    negativePrompt: guided ? (negative ?? (stage.guidance?.zeros.length ? null : "")) : null,
    seed: request.seed,
    steps: stepsOf(request.steps ?? defaults.steps),
    guidance,
    guided,
    sampler: request.sampler,
    width,
    height,
    strength: request.image === null ? null : shareOf(request.strength ?? stage.schedule.default_strength),
    task,
  };
}

function stepsOf(steps: number): number {
  if (!Number.isSafeInteger(steps) || steps < 1 || steps > MOST_STEPS) {
    throw new Problem(`\`steps\` is ${quoted(steps)}: expected a whole number from 1 to ${MOST_STEPS}`);
  }
  return steps;
}

function shareOf(strength: number): number {
  if (!(strength > 0 && strength <= 1)) {
    throw new Problem(`\`strength\` is ${quoted(strength)}: expected a number above 0 and at most 1`);
  }
  return strength;
}

/** What was asked for, else the picture's size, else the bundle's. */
function sizeOf(space: Space, defaults: Defaults, { width, height, image }: Request): [number, number] {
  const multiple = space.multiple ?? space.factor;
  const whole = (side: number): number => Math.max(Math.floor(side / multiple), 1) * multiple;
  const side = (name: "width" | "height", asked: number | null): number => {
    const fixed = space[name];
    if (fixed !== null) {
      return checkedSide(name, asked ?? fixed * space.factor, 1, fixed * space.factor);
    }
    const otherwise = image === null ? defaults[name] : whole(image[name]);
    return checkedSide(name, asked ?? otherwise ?? multiple, multiple, null, space.largest);
  };
  return [side("width", width), side("height", height)];
}

function checkedSide(
  name: string,
  side: number,
  multiple: number,
  only: number | null,
  largest: number | null = null,
): number {
  if (only !== null && side !== only) {
    throw new Problem(`\`${name}\` is ${quoted(side)}: expected ${only}, the only one that the bundle's model draws`);
  }
  if (!Number.isSafeInteger(side) || side < multiple || side % multiple !== 0) {
    const near = Math.max(Math.round(side / multiple), 1) * multiple;
    throw new Problem(`\`${name}\` is ${quoted(side)}: expected a multiple of ${multiple}`, `${near} is the nearest`);
  }
  const most = largest ?? LARGEST_SIDE;
  if (only === null && side > most) {
    throw new Problem(`\`${name}\` is ${side}: expected at most ${most}`);
  }
  return side;
}

/** What the parts read beside a run's own settings, by option, as a picture carries it. */
export function choicesOf(stage: Stage, settings: Settings): Record<string, number> {
  const own = ["guidance", "width", "height"];
  const found: Record<string, number> = {};
  for (const [, parts] of phasesOf(stage)) {
    for (const part of parts) {
      if (part.part === "choice" && !own.includes(part.choice)) {
        found[part.choice] = optionOf(settings, part.choice, part.default);
      }
      for (const name of part.part === "sizes" ? namesOf(part, "option") : []) {
        if (!own.includes(name)) {
          found[name] = sizeOption(name, part as Sizes, settings);
        }
      }
    }
  }
  return found;
}

/** An option that the page does not ask for has its default: a number, or another option's value. */
export function sizeOption(name: string, part: Sizes, settings: Settings): number {
  const fallback = part.defaults[name];
  return optionOf(settings, name, typeof fallback === "string" ? optionOf(settings, fallback, null) : (fallback ?? null));
}

/** The value of an option that a part reads: one of the run's, else the part's own default. */
export function optionOf(settings: Settings, name: string, fallback: number | null): number {
  if (name === "guidance" || name === "width" || name === "height") {
    return settings[name];
  }
  if (fallback === null) {
    throw new Problem(`\`${name}\` is missing: expected a number, and this page cannot ask for it`);
  }
  return fallback;
}
