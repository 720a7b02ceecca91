/** A recipe: the stage of a model, with its space, schedule, guidance and parts. */

import { Fields } from "../bundle/fields";
import { Problem } from "../problem";
import type { Part } from "./declarations";
import { isKind, readPart, readRecord, RULES } from "./declarations";

export interface Space {
  readonly channels: number;
  readonly factor: number;
  readonly height: number | null;
  readonly width: number | null;
  readonly multiple: number | null;
  readonly largest: number | null;
  /** `channels` + 1 rows of RGB. */
  readonly preview: readonly (readonly number[])[] | null;
}

export interface Guidance {
  readonly scale: string;
  readonly above: number;
  readonly origin: string;
  readonly zeros: readonly string[];
}

export interface Schedule {
  readonly strength: string;
  readonly ends: string;
  readonly default_strength: number;
}

export interface Stage {
  readonly name: string;
  readonly space: Space;
  readonly given: readonly Part[];
  /** Those of the manifest whose parts this page knows. */
  readonly tasks: Readonly<Record<string, readonly Part[]>>;
  readonly network: readonly Part[];
  readonly result: readonly Part[];
  readonly guidance: Guidance | null;
  readonly schedule: Schedule;
}

const { number, whole, or, orNull, only, all, isNumber } = RULES;

const SPACE = {
  channels: whole,
  factor: or(whole, 1),
  height: orNull(whole),
  width: orNull(whole),
  multiple: orNull(whole),
  largest: orNull(whole),
  preview: orNull({
    accepts: (value: unknown) => all(value, (row) => all(row, isNumber) && (row as number[]).length === 3),
    said: "rows of three numbers",
  }),
};
export const GUIDANCE = {
  scale: or(only("guidance"), "guidance"),
  above: or(number, 1),
  origin: or(only("unconditional", "conditional"), "unconditional"),
  zeros: or({ accepts: (value: unknown) => all(value, (one) => typeof one === "string"), said: "an array of texts" }, []),
  negative: or(only(false), false),
  norm: or(only(null), null),
  norm_patch: or(whole, 1),
};
export const SCHEDULE = {
  linear: or(only(false), false),
  shift: or(only(null), null),
  token: or(whole, 16),
  strength: or(only("tail", "whole"), "tail"),
  ends: or(only("sample", "denoised"), "sample"),
  default_strength: or(number, 0.8),
  inpaint_strength: or(number, 1),
  until: or(only(null), null),
  since: or(only(null), null),
  share: or(number, 1),
};

/** The one stage of a manifest's `stages`; what this page cannot draw is refused by name. */
export function readStage(manifest: Fields): Stage {
  const stages = manifest.objects("stages");
  const fields = stages[0];
  if (fields === undefined || stages.length > 1) {
    const names = stages.map((stage) => stage.text("name")).join(", ");
    throw new Problem(`the bundle has ${stages.length} stages (${names}): expected one, which is all that this page draws`);
  }
  const part = (name: string): Part[] => fields.objects(name).map(readPart);
  const space = readRecord(fields.fields("space"), SPACE) as unknown as Space;
  if (space.preview !== null && space.preview.length !== space.channels + 1) {
    throw fields.fields("space").fail("preview", `${space.channels + 1} rows of three numbers`);
  }
  const optional = (name: string): Fields => (fields.has(name) ? fields.fields(name) : new Fields({}));
  return {
    name: fields.text("name"),
    space,
    given: part("given"),
    tasks: readTasks(fields.fields("tasks")),
    network: part("network"),
    result: part("result"),
    guidance: fields.has("guidance") ? (readRecord(optional("guidance"), GUIDANCE) as unknown as Guidance) : null,
    schedule: readRecord(optional("schedule"), SCHEDULE) as unknown as Schedule,
  };
}

/** The first task must be known; another one that needs a part of a later version is left out. */
function readTasks(fields: Fields): Record<string, readonly Part[]> {
  const tasks: Record<string, readonly Part[]> = {};
  Object.keys(fields.values).forEach((task, index) => {
    const items = fields.objects(task);
    const known = items.every((item) => isKind(item.text("part")));
    if (index === 0 || known) {
      tasks[task] = items.map(readPart);
    }
  });
  return tasks;
}

/** Phases in the order they run. */
export function phasesOf(stage: Stage): [string, readonly Part[]][] {
  return [["given", stage.given], ...Object.entries(stage.tasks), ["network", stage.network], ["result", stage.result]];
}

/** `[channels, height, width]` of a sample for a picture of so many pixels. */
export function sampleShape(space: Space, width: number, height: number): [number, number, number] {
  return [space.channels, space.height ?? Math.floor(height / space.factor), space.width ?? Math.floor(width / space.factor)];
}
