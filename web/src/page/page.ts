/** The page: a form, a picture, and what is told of both. */

import { pngOf } from "../media/png";
import { told } from "../problem";
import type { Request } from "../running/settings";
import type { About, FromWorker, Site } from "../worker/protocol";
import { Client } from "./client";
import { keepAll, reloadIsolated, startKeeper } from "./offline";
import { pixelsOf, show } from "./pictures";

type Picture = Extract<FromWorker, { type: "picture" }>;

const RANDOM_SEEDS = 2 ** 32;
const DEVICES = { webgpu: "WebGPU", wasm: "WASM" } as const;

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const form = element<HTMLFormElement>("form");
const prompt = element<HTMLTextAreaElement>("prompt");
const negative = element<HTMLInputElement>("negative");
const seed = element<HTMLInputElement>("seed");
const steps = element<HTMLInputElement>("steps");
const guidance = element<HTMLInputElement>("guidance");
const sampler = element<HTMLSelectElement>("sampler");
const width = element<HTMLInputElement>("width");
const height = element<HTMLInputElement>("height");
const image = element<HTMLInputElement>("image");
const strength = element<HTMLInputElement>("strength");
const drawButton = element<HTMLButtonElement>("draw");
const cancelButton = element<HTMLButtonElement>("cancel");
const saveButton = element<HTMLButtonElement>("save");
const keepSeedButton = element<HTMLButtonElement>("keep-seed");
const canvas = element<HTMLCanvasElement>("canvas");
const progress = element<HTMLProgressElement>("progress");
const caption = element<HTMLParagraphElement>("caption");
const notice = element<HTMLParagraphElement>("notice");
const status = element<HTMLParagraphElement>("status");
const deviceText = element<HTMLSpanElement>("device");
const offlineText = element<HTMLSpanElement>("offline");

let client: Client | null = null;
let about: About | null = null;
let site: Site | null = null;
let last: { readonly message: Picture; readonly seed: number } | null = null;
let asked: Request | null = null;
let kept = false;

function number(input: HTMLInputElement): number | null {
  return input.value.trim() === "" ? null : Number(input.value);
}

function setBusy(drawing: boolean): void {
  drawButton.disabled = drawing || about === null || client?.busy === true;
  cancelButton.disabled = !drawing;
  progress.hidden = !drawing;
  if (drawing) {
    progress.removeAttribute("value");
  }
}

function complain(sentence: string | null, hint: string | null = null): void {
  notice.hidden = sentence === null;
  notice.classList.remove("mild");
  notice.textContent = sentence === null ? "" : hint === null ? sentence : `${sentence}. Hint: ${hint}.`;
}

async function requestOf(): Promise<Request> {
  const file = image.files?.[0];
  const guided = about?.asked.guidance === true;
  return {
    prompt: prompt.value,
    negativePrompt: negative.value === "" || element("negative-field").hidden ? null : negative.value,
    seed: number(seed) ?? Math.floor(Math.random() * RANDOM_SEEDS),
    steps: number(steps),
    guidance: guided ? number(guidance) : null,
    sampler: sampler.value === "" ? null : sampler.value,
    width: number(width),
    height: number(height),
    strength: file === undefined ? null : number(strength),
    image: file === undefined ? null : await pixelsOf(file),
  };
}

async function draw(): Promise<void> {
  if (client === null || about === null || client.busy) {
    return;
  }
  complain(null);
  try {
    asked = await requestOf();
  } catch (error) {
    const { sentence, hint } = told(error);
    complain(sentence, hint);
    return;
  }
  setBusy(true);
  caption.textContent = "";
  client.draw(asked);
}

function fill(opened: About): void {
  about = opened;
  const { defaults } = opened;
  element("prompt-label").hidden = !opened.asked.prompt;
  prompt.hidden = !opened.asked.prompt;
  prompt.required = opened.asked.prompt;
  element("guidance-field").hidden = !opened.asked.guidance;
  element("image-field").hidden = !opened.asked.image;
  document.querySelectorAll<HTMLElement>(".size-field").forEach((field) => {
    field.hidden = !opened.asked.sized;
  });
  const put = (input: HTMLInputElement, value: number | null): void => {
    input.placeholder = value === null ? "" : String(value);
  };
  put(steps, defaults.steps);
  put(guidance, defaults.guidance);
  put(width, defaults.width);
  put(height, defaults.height);
  put(strength, defaults.strength);
  [width, height].forEach((input) => {
    input.step = String(opened.asked.multiple);
    input.min = String(opened.asked.multiple);
  });
  const chosen = sampler.value;
  sampler.replaceChildren(
    new Option(`${opened.ownSampler} (its own)`, ""),
    ...opened.samplers.map(({ name, label }) => new Option(label, name)),
  );
  sampler.value = chosen;
  offerNegative();
  const threads = opened.device === "wasm" ? `, ${opened.threads} ${opened.threads === 1 ? "thread" : "threads"}` : "";
  const why = opened.note === null ? "" : ` (${opened.note})`;
  deviceText.textContent = `${DEVICES[opened.device]}${threads}${why}`;
  document.body.dataset["device"] = opened.device;
  status.textContent = "Ready";
  setBusy(false);
}

/** A negative prompt has an effect only where there is guidance. */
function offerNegative(): void {
  const above = about?.guidedAbove ?? null;
  element("negative-field").hidden = above === null || !((number(guidance) ?? about?.defaults.guidance ?? 0) > above);
}

function shownSize(): [number, number] {
  const side = (own: number | null | undefined, otherwise: number | null | undefined): number => own ?? otherwise ?? 512;
  return [side(asked?.width, about?.defaults.width), side(asked?.height, about?.defaults.height)];
}

function showPicture(message: Picture): void {
  const { picture, seconds, perStep } = message;
  const used = asked?.seed ?? 0;
  last = { message, seed: used };
  show(canvas, picture, picture.width, picture.height);
  canvas.setAttribute("aria-label", prompt.value);
  const device = about === null ? "" : ` · ${DEVICES[about.device]}`;
  caption.textContent = `seed ${used} · ${perStep.toFixed(2)} s a step, ${seconds.toFixed(1)} s in all${device}`;
  status.textContent = "Ready";
  saveButton.disabled = false;
  keepSeedButton.disabled = false;
  document.body.dataset["pictures"] = String(Number(document.body.dataset["pictures"] ?? 0) + 1);
  keepFiles();
}

/** Once a picture is there: what it took was fetched first, and keeping the rest takes nothing from it. */
function keepFiles(): void {
  if (site !== null && about !== null && !kept) {
    kept = true;
    keepAll(site, about.device, (text) => {
      offlineText.textContent = text;
    });
  }
}

function hear(message: FromWorker): void {
  switch (message.type) {
    case "loading":
      status.textContent = `Loading ${message.what}: ${Math.round((100 * message.done) / Math.max(message.total, 1))} %`;
      break;
    case "opened":
      fill(message.about);
      keepFiles();
      break;
    case "phase":
      status.textContent = `${message.what[0]?.toUpperCase() ?? ""}${message.what.slice(1)}…`;
      break;
    case "notice":
      complain(notice.hidden ? message.sentence : `${notice.textContent}; ${message.sentence}`);
      notice.classList.add("mild");
      break;
    case "warm":
      if (cancelButton.disabled) {
        status.textContent = "Ready";
      }
      break;
    case "step":
      progress.value = (message.index + 1) / message.total;
      status.textContent = `Step ${message.index + 1} of ${message.total}`;
      caption.textContent = `${message.seconds.toFixed(2)} s a step`;
      document.body.dataset["step"] = String(message.index + 1);
      if (message.preview !== null) {
        show(canvas, message.preview, ...shownSize());
      }
      break;
    case "picture":
      setBusy(false);
      showPicture(message);
      break;
    case "cancelled":
      setBusy(false);
      status.textContent = "Cancelled";
      caption.textContent = "";
      break;
    case "problem":
      setBusy(false);
      status.textContent = about === null ? "It does not start" : "Ready";
      complain(message.sentence, message.hint);
      break;
  }
}

async function save(): Promise<void> {
  if (last === null) {
    return;
  }
  const { picture, metadata } = last.message;
  const bytes = await pngOf(picture, { edgediff: JSON.stringify(metadata) });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
  link.download = `edgediff-${last.seed}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

guidance.addEventListener("input", offerNegative);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void draw();
});
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    client?.cancel();
  }
});
cancelButton.addEventListener("click", () => client?.cancel());
saveButton.addEventListener("click", () => void save());
keepSeedButton.addEventListener("click", () => {
  seed.value = String(last?.seed ?? "");
});

async function start(): Promise<void> {
  const keeper = await startKeeper();
  if (keeper && reloadIsolated()) {
    return;
  }
  if (!keeper) {
    offlineText.textContent = self.isSecureContext
      ? "no offline use in this browser"
      : "no offline use: the page is not served over https or from localhost";
  }
  try {
    site = (await (await fetch("edgediff-web.json")).json()) as Site;
    element("name").textContent = site.name;
    document.title = `${site.name} · edgediff`;
  } catch {
    complain("`edgediff-web.json` cannot be read: expected the one that `edgediff web` wrote beside the page");
  }
  const wanted = new URLSearchParams(location.search).get("device");
  client = new Client(wanted === "wasm" || wanted === "webgpu" ? wanted : "auto", hear);
}

void start();
