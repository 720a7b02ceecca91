/** What the command that writes the folder has to know of this page, so that both refuse the same bundles. */

import { FORMATS, LARGEST_BYTES, TOKENIZER_KINDS } from "./bundle/manifest";
import { KINDS, limitsOf } from "./recipe/declarations";
import { GUIDANCE, SCHEDULE } from "./recipe/recipe";
import { READINGS } from "./sampling/classes";

export const facts = {
  /** Kinds of parts; of each, the fields that may have a few values only. */
  parts: Object.fromEntries(Object.entries(KINDS).map(([kind, rules]) => [kind, limitsOf(rules)])),
  guidance: limitsOf(GUIDANCE),
  schedule: limitsOf(SCHEDULE),
  /** Classes of schedulers; of each, the fields that may have one value only. */
  schedulers: Object.fromEntries(
    Object.entries(READINGS).map(([name, { neutral }]) => [
      name,
      Object.fromEntries(Object.entries(neutral).map(([field, value]) => [field, [value]])),
    ]),
  ),
  tokenizers: TOKENIZER_KINDS,
  formats: FORMATS,
  largest_component_bytes: LARGEST_BYTES,
} as const;
