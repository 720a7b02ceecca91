/** What can be drawn and will most likely disappoint: sizes and words that a model was not made for. */

import type { Defaults } from "../bundle/manifest";
import type { Settings } from "./settings";

/** From this ratio on, models draw one thing twice, or a blot. */
const FACTOR = 2;
const MOST_QUOTED = 5;

/** What a user should know, in a sentence each; `words` are those that the model was taught, where it knows no others. */
export function doubtsOf(defaults: Defaults, settings: Settings, words: ReadonlySet<string> | null): string[] {
  return [...ofSize(defaults, settings), ...ofWords(settings.prompt, words)];
}

function ofSize(defaults: Defaults, settings: Settings): string[] {
  const ratios = (["width", "height"] as const).map((side) => {
    const made = defaults[side];
    return made === null ? 1 : Math.max(settings[side] / made, made / settings[side]);
  });
  if (Math.max(...ratios) < FACTOR) {
    return [];
  }
  const made = `${defaults.width}x${defaults.height}`;
  return [`the model was made for pictures of ${made}: at ${settings.width}x${settings.height} expect repetitions or blots`];
}

function ofWords(prompt: string, words: ReadonlySet<string> | null): string[] {
  // Single letters are what an apostrophe leaves.
  const found = prompt.normalize("NFC").toLowerCase().match(/\p{L}{2,}/gu) ?? [];
  const unknown = words === null ? [] : [...new Set(found)].filter((word) => !words.has(word)).sort();
  if (words === null || unknown.length === 0) {
    return [];
  }
  const quoted = unknown.slice(0, MOST_QUOTED).map((word) => `“${word}”`);
  const more = unknown.length > MOST_QUOTED ? ` and ${unknown.length - MOST_QUOTED} more` : "";
  return [`the model was not taught ${quoted.join(", ")}${more}: it draws the nearest of its ${words.size} words, or a blot`];
}
