/** A bundle's manifest, `edgediff.json`, as far as drawing needs it; see `docs/bundle-format.md`. */

import { Problem } from "../problem";
import type { Stage } from "../recipe/recipe";
import { phasesOf, readStage } from "../recipe/recipe";
import { checkWires } from "../recipe/wires";
import { Fields } from "./fields";

export interface FileEntry {
  readonly path: string;
  readonly bytes: number;
}

export interface Component {
  readonly role: string;
  readonly precision: string;
  readonly files: readonly FileEntry[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface TokenizerEntry {
  readonly path: string;
  readonly maxTokens: number;
  readonly files: readonly FileEntry[];
}

export interface Defaults {
  readonly steps: number;
  readonly guidance: number;
  readonly width: number | null;
  readonly height: number | null;
}

export interface Manifest {
  readonly family: string;
  readonly stage: Stage;
  readonly components: ReadonlyMap<string, Component>;
  readonly scheduler: Readonly<Record<string, unknown>>;
  readonly tokenizers: readonly TokenizerEntry[];
  readonly defaults: Defaults;
}

/** Weights of one component at most: WebAssembly has 4 GiB, of which a graph needs its weights twice while it loads. */
export const LARGEST_BYTES = 2 * 2 ** 30;
export const TOKENIZER_KINDS = ["clip"] as const;
export const FORMATS = ["onnx"] as const;
const SUPPORTED = "1";

export function readManifest(value: unknown): Manifest {
  const fields = Fields.of(value, "edgediff.json");
  const top = new Fields(fields.values);
  const version = top.text("format_version");
  if (version.split(".")[0] !== SUPPORTED) {
    throw new Problem(`the bundle's format is ${version}: expected ${SUPPORTED}, which this page reads`);
  }
  const stage = readStage(top);
  const used = new Set(
    phasesOf(stage).flatMap(([, parts]) => parts.flatMap((part) => (part.part === "graph" ? [part.role] : []))),
  );
  const entries = top.fields("components");
  const components = new Map<string, Component>();
  for (const role of Object.keys(entries.values)) {
    if (used.has(role)) {
      components.set(role, readComponent(role, entries.fields(role)));
    }
  }
  const tokenizers = top.objects("tokenizers").map(readTokenizer);
  checkWires(stage, components, tokenizers.map((tokenizer) => tokenizer.path));
  const scheduler = top.fields("scheduler");
  scheduler.text("_class_name");
  return {
    family: top.text("family"),
    stage,
    components,
    scheduler: scheduler.values,
    tokenizers,
    defaults: readDefaults(top.fields("defaults")),
  };
}

function readComponent(role: string, fields: Fields): Component {
  const format = fields.text("format");
  if (!(FORMATS as readonly string[]).includes(format)) {
    throw new Problem(
      `\`${role}\` is in the format \`${format}\`: expected \`onnx\`, which is all that a browser computes`,
      "export the model again with `--format onnx`",
    );
  }
  const files = fields.objects("files").map(readFile);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (files.length === 0) {
    throw fields.fail("files", "at least one file");
  }
  if (bytes > LARGEST_BYTES) {
    throw new Problem(
      `\`${role}\` has ${(bytes / 2 ** 30).toFixed(1)} GiB: expected at most 2 GiB, which is what fits into a browser's WebAssembly`,
      "export the model again with `--precision w8` or `w4`",
    );
  }
  const names = (name: string): string[] => fields.objects(name).map((tensor) => tensor.text("name"));
  return { role, precision: fields.text("precision"), files, inputs: names("inputs"), outputs: names("outputs") };
}

function readFile(fields: Fields): FileEntry {
  const path = fields.text("path");
  if (path.startsWith("/") || /[\\:\0]/u.test(path) || path.split("/").includes("..")) {
    throw fields.fail("path", "a relative path that stays inside the bundle");
  }
  return { path, bytes: fields.whole("bytes") };
}

function readTokenizer(fields: Fields): TokenizerEntry {
  const kind = fields.has("kind") ? fields.text("kind") : "clip";
  if (!(TOKENIZER_KINDS as readonly string[]).includes(kind)) {
    throw new Problem(`the bundle's tokenizer is of the kind \`${kind}\`: expected \`clip\`, which is all that this page reads`);
  }
  return { path: fields.text("path"), maxTokens: fields.whole("max_tokens", 2), files: fields.objects("files").map(readFile) };
}

function readDefaults(fields: Fields): Defaults {
  const side = (name: string): number | null => (fields.has(name) ? fields.whole(name, 1) : null);
  return {
    steps: fields.whole("steps", 1),
    guidance: fields.number("guidance"),
    width: side("width"),
    height: side("height"),
  };
}
