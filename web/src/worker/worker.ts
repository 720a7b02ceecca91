/** The worker: opens the bundle and draws, away from the page. */

import type { Manifest } from "../bundle/manifest";
import { readManifest } from "../bundle/manifest";
import type { WarmComponents } from "../engine/components";
import { componentsOf } from "../engine/components";
import { previewOf } from "../media/preview";
import { told } from "../problem";
import { doubtsOf } from "../running/doubts";
import { askedOf, resolve } from "../running/settings";
import type { Request } from "../running/settings";
import { draw } from "../running/stage";
import { buildSampler } from "../sampling/classes";
import { SAMPLERS } from "../sampling/names";
import { ClipTokenizer } from "../text/clip";
import type { Library } from "./library";
import { openLibrary } from "./library";
import { metadataOf } from "./metadata";
import type { About, Device, FromWorker, ToWorker } from "./protocol";
import { Files } from "./site";

interface Opened {
  readonly files: Files;
  readonly manifest: Manifest;
  readonly library: Library;
  readonly components: WarmComponents;
  readonly tokenizers: ReadonlyMap<string, ClipTokenizer>;
  /** The words that the model was taught, where it knows no others. */
  readonly words: ReadonlySet<string> | null;
}

class CancelledRun extends Error {}

const BUNDLE = "bundle";
const TOKENIZER_FILES = ["tokenizer.json", "vocab.json", "added_tokens.json", "tokenizer_config.json", "special_tokens_map.json"];
let opened: Opened | null = null;
let cancelled = false;
/** ONNX Runtime does one thing at a time: with WebGPU, a call while another graph is loaded never ends. */
let warming: Promise<void> = Promise.resolve();

function tell(message: FromWorker): void {
  self.postMessage(message);
}

async function open(base: string, device: Device | "auto"): Promise<void> {
  const files = await Files.open(base);
  const manifest = readManifest(await files.json(`${BUNDLE}/edgediff.json`));
  // What the model's own schedule asks for is refused now, not after the graphs were fetched.
  buildSampler(manifest.scheduler, {}, manifest.defaults.steps);
  const tokenizers = new Map<string, ClipTokenizer>();
  for (const { path, maxTokens } of manifest.tokenizers) {
    tokenizers.set(path, new ClipTokenizer(await tokenizerFiles(files, `${BUNDLE}/${path}`), maxTokens, path));
  }
  const library = await openLibrary(files, device);
  const fetchFile = (path: string): Promise<Uint8Array> =>
    files.bytes(`${BUNDLE}/${path}`, (done, total) => tell({ type: "loading", what: path, done, total }));
  const components = componentsOf(library.ort, manifest, library.device, fetchFile, (role) =>
    tell({ type: "phase", what: `loading ${role}` }),
  );
  const { vocabulary } = files.site;
  const words = vocabulary === null ? null : new Set((await files.text(vocabulary)).split(/\s+/u).filter((word) => word !== ""));
  opened = { files, manifest, library, components, tokenizers, words };
  tell({ type: "opened", about: aboutOf(opened) });
  warming = warm(opened);
  await warming;
}

/** Load what a run without a picture computes, while the prompt is typed. A failure is told when it is drawn with. */
async function warm({ manifest, components }: Opened): Promise<void> {
  const { given, network, result } = manifest.stage;
  const roles = [...given, ...network, ...result].flatMap((part) => (part.part === "graph" ? [part.role] : []));
  try {
    await components.warm(roles);
  } catch {
    return;
  }
  tell({ type: "warm" });
}

async function tokenizerFiles(files: Files, folder: string): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  const whole = files.has(`${folder}/tokenizer.json`);
  for (const name of TOKENIZER_FILES) {
    if (files.has(`${folder}/${name}`) && !(whole && name === "vocab.json")) {
      found.set(name, await files.json(`${folder}/${name}`));
    }
  }
  if (!whole && files.has(`${folder}/merges.txt`)) {
    found.set("merges.txt", await files.text(`${folder}/merges.txt`));
  }
  return found;
}

function aboutOf({ manifest, library }: Opened): About {
  const { stage, defaults, scheduler } = manifest;
  const own = String(scheduler["_class_name"]);
  const distilled = scheduler["_class_name"] === "LCMScheduler";
  const names = Object.entries(SAMPLERS).filter(([, one]) => one.distilled !== true || distilled);
  return {
    device: library.device,
    threads: library.threads,
    note: library.note,
    family: manifest.family,
    asked: askedOf(stage),
    samplers: names.map(([name, { label }]) => ({ name, label })),
    ownSampler: Object.values(SAMPLERS).find(({ className }) => className === own)?.label ?? own,
    guidedAbove: stage.guidance?.above ?? null,
    defaults: { ...defaults, strength: stage.schedule.default_strength },
  };
}

async function drawRequest(request: Request): Promise<void> {
  if (opened === null) {
    return;
  }
  const { files, manifest, library, components, tokenizers } = opened;
  cancelled = false;
  const settings = resolve(manifest, request);
  await warming;
  const began = performance.now();
  const seconds: number[] = [];
  tell({ type: "phase", what: "reading the prompt" });
  doubtsOf(manifest.defaults, settings, opened.words).forEach((sentence) => tell({ type: "notice", sentence }));
  const picture = await draw({
    manifest,
    settings,
    image: request.image,
    components,
    tokenizers,
    tell: (sentence) => tell({ type: "notice", sentence }),
    onStep: async (step) => {
      seconds.push(step.seconds);
      const preview = previewOf(step.denoised, manifest.stage.space);
      tell({ type: "step", index: step.index, total: step.total, seconds: step.seconds, preview });
      await breath();
      if (cancelled) {
        throw new CancelledRun();
      }
    },
  });
  tell({
    type: "picture",
    picture,
    metadata: metadataOf(files.site, manifest.stage, settings, library.device),
    seconds: (performance.now() - began) / 1000,
    perStep: median(seconds),
  });
}

/** Let messages in, such as one that cancels. */
function breath(): Promise<void> {
  return new Promise((resolveIt) => {
    setTimeout(resolveIt, 0);
  });
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

async function answer(message: ToWorker): Promise<void> {
  try {
    if (message.type === "open") {
      await open(message.base, message.device);
    } else if (message.type === "draw") {
      await drawRequest(message.request);
    } else {
      cancelled = true;
    }
  } catch (error) {
    if (error instanceof CancelledRun) {
      tell({ type: "cancelled" });
    } else {
      tell({ type: "problem", ...told(error) });
    }
  }
}

self.addEventListener("message", (event: MessageEvent<ToWorker>) => void answer(event.data));
