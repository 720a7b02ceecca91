/** Whether a recipe can run with the graphs and tokenizers of a bundle: checked when the bundle is opened. */

import type { Component } from "../bundle/manifest";
import { Problem } from "../problem";
import type { Graph, Part } from "./declarations";
import { namesOf } from "./declarations";
import type { Stage } from "./recipe";
import { phasesOf } from "./recipe";

const NUMBERS = [
  "guidance",
  "width",
  "height",
  "original_width",
  "original_height",
  "crop_left",
  "crop_top",
  "target_width",
  "target_height",
  "aesthetic_score",
  "negative_aesthetic_score",
];

function broken(stage: Stage, phase: string, problem: string, expected: string): Problem {
  return new Problem(`the recipe's \`${stage.name}\` (${phase}) ${problem}: expected ${expected}`);
}

/** Check that every name that is read has a writer, and every input of a graph is fed. */
export function checkWires(
  stage: Stage,
  components: ReadonlyMap<string, Component>,
  tokenizers: readonly string[],
): void {
  const given = follow(stage, "given", stage.given, new Set());
  for (const [task, parts] of Object.entries(stage.tasks)) {
    const written = follow(stage, task, parts, given);
    if (!written.has("noise")) {
      throw broken(stage, task, "writes no `noise`", "a part that draws it");
    }
    const network = follow(stage, "network", stage.network, new Set([...written, "x", "t", "t_rows"]));
    if (!network.has("prediction")) {
      throw broken(stage, "network", "writes no `prediction`", "it from one of its parts");
    }
  }
  if (!stage.network.some((part) => part.part === "graph")) {
    throw broken(stage, "network", "computes no graph", "at least one");
  }
  follow(stage, "result", stage.result, new Set([...given, "x"]));
  const last = stage.result.at(-1);
  const ends = phasesOf(stage).flatMap(([, parts]) => parts.filter((part) => part.part === "pictures"));
  if (last?.part !== "pictures" || ends.length !== 1) {
    throw broken(stage, "result", "ends in nothing that a caller can take", "pictures, and only there");
  }
  const lost = stage.guidance?.zeros.find((name) => !given.has(name));
  if (lost !== undefined) {
    throw broken(stage, "guidance", `names \`${lost}\`, which nothing writes`, "a given value");
  }
  for (const [phase, parts] of phasesOf(stage)) {
    parts.forEach((part) => checkPart(stage, phase, part, components, tokenizers));
  }
}

function follow(stage: Stage, phase: string, parts: readonly Part[], known: ReadonlySet<string>): Set<string> {
  const names = new Set(known);
  for (const part of parts) {
    const lost = namesOf(part, "read").find((name) => !names.has(name));
    if (lost !== undefined) {
      throw broken(stage, phase, `reads \`${lost}\`, which nothing writes before`, "a writer");
    }
    namesOf(part, "write").forEach((name) => names.add(name));
  }
  return names;
}

function checkPart(
  stage: Stage,
  phase: string,
  part: Part,
  components: ReadonlyMap<string, Component>,
  tokenizers: readonly string[],
): void {
  if (part.part === "tokens" && !tokenizers.includes(part.tokenizer)) {
    throw broken(stage, phase, `reads the tokenizer \`${part.tokenizer}\``, "it in the bundle");
  }
  if (part.part === "graph") {
    checkGraph(stage, phase, part, components);
  }
  const allowed = part.part === "picture" ? (phase in stage.tasks ? ["image"] : []) : NUMBERS;
  const unknown = namesOf(part, "option").find((name) => !allowed.includes(name));
  if (unknown !== undefined) {
    throw broken(stage, phase, `reads the option \`${unknown}\``, `one of ${allowed.join(", ") || "none"}`);
  }
}

function checkGraph(stage: Stage, phase: string, part: Graph, components: ReadonlyMap<string, Component>): void {
  const component = components.get(part.role);
  if (component === undefined) {
    throw broken(stage, phase, `computes \`${part.role}\``, "that component in the bundle");
  }
  const { inputs, outputs } = component;
  const wrong = [...inputs, ...Object.keys(part.feeds)].find(
    (name) => inputs.length > 0 && inputs.includes(name) !== Object.hasOwn(part.feeds, name),
  );
  if (wrong !== undefined) {
    const what = inputs.includes(wrong) ? "is not fed" : "is no input of it";
    throw broken(stage, phase, `computes \`${part.role}\`: \`${wrong}\` ${what}`, inputs.join(", "));
  }
  const missing = Object.keys(part.takes).find((name) => outputs.length > 0 && !outputs.includes(name));
  if (missing !== undefined) {
    throw broken(stage, phase, `takes \`${missing}\` of \`${part.role}\``, `one of ${outputs.join(", ")}`);
  }
}
