/** The sampler of a run: the scheduler's config, what the caller asks for, and what the recipe adds. */

import type { Manifest } from "../bundle/manifest";
import { buildSampler } from "../sampling/classes";
import { samplerConfig } from "../sampling/names";
import type { Sampler } from "../sampling/sampler";
import { forStrength } from "../sampling/sampler";
import type { Settings } from "./settings";

export function samplerFor(manifest: Manifest, settings: Settings): Sampler {
  const named =
    settings.sampler === null
      ? { config: manifest.scheduler, asked: {} }
      : samplerConfig(settings.sampler, manifest.scheduler);
  const { strength } = settings;
  const whole = manifest.stage.schedule.strength === "whole" && named.config["_class_name"] === "LCMScheduler";
  if (strength !== null && whole) {
    return buildSampler(named.config, { ...named.asked, strength }, settings.steps);
  }
  const sampler = buildSampler(named.config, named.asked, settings.steps);
  return strength === null ? sampler : forStrength(sampler, strength);
}
