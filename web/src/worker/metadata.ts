/** What a picture carries: the settings that draw it again, as edgediff's own files have them. */

import type { Stage } from "../recipe/recipe";
import type { Settings } from "../running/settings";
import { askedOf, choicesOf } from "../running/settings";
import type { Device, Site } from "./protocol";

export function metadataOf(site: Site, stage: Stage, settings: Settings, device: Device): Record<string, unknown> {
  const image = settings.strength !== null;
  return {
    settings: {
      ...site.settings,
      choices: choicesOf(stage, settings),
      prompts: askedOf(stage).prompt ? [settings.prompt] : [],
      negative_prompts: settings.negativePrompt === null ? [] : [settings.negativePrompt],
      seed: settings.seed,
      steps: settings.steps,
      guidance: site.settings["guidance"] === null ? null : settings.guidance,
      sampler: settings.sampler,
      width: settings.width,
      height: settings.height,
      strength: settings.strength,
      encode: image ? "sample" : null,
      task: settings.task,
      pictures: image ? ["image"] : [],
      guided: settings.guided,
    },
    bundle: site.name,
    fingerprint: site.fingerprint,
    computed: {},
    browser: { device },
  };
}
