/** Offline use: the service worker is registered first, so that what is fetched once is kept. */

import type { FromKeeper, ToKeeper } from "../offline/protocol";
import type { Device, Site } from "../worker/protocol";

const PATIENCE_MS = 4000;
const RELOADED = "edgediff-isolated";

/** Register, and wait until it answers for this page; false where the browser has none here. */
export async function startKeeper(): Promise<boolean> {
  if (!("serviceWorker" in navigator)) {
    return false;
  }
  try {
    await navigator.serviceWorker.register("sw.js");
    await Promise.race([controlled(), later(PATIENCE_MS)]);
  } catch {
    return false;
  }
  return navigator.serviceWorker.controller !== null;
}

/** Load the page again, once, through the service worker, whose headers allow several threads; true where it does. */
export function reloadIsolated(): boolean {
  if (self.crossOriginIsolated || navigator.hardwareConcurrency < 2 || sessionStorage.getItem(RELOADED) !== null) {
    return false;
  }
  sessionStorage.setItem(RELOADED, "1");
  location.reload();
  return true;
}

function controlled(): Promise<void> {
  return new Promise((resolve) => {
    if (navigator.serviceWorker.controller !== null) {
      resolve();
    }
    navigator.serviceWorker.addEventListener("controllerchange", () => resolve(), { once: true });
  });
}

function later(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

/** Have everything kept that drawing on this device needs; `tell` says how far it is. */
export function keepAll(site: Site, device: Device, tell: (text: string) => void): void {
  const keeper = navigator.serviceWorker.controller;
  if (keeper === null) {
    return;
  }
  navigator.serviceWorker.addEventListener("message", ({ data }: MessageEvent<FromKeeper>) => {
    if (data.type === "keeping") {
      tell(`keeping files for offline use: ${data.done} of ${data.total}`);
    } else if (data.type === "kept") {
      tell("offline ready");
    } else {
      tell(`not offline: ${data.reason}`);
    }
  });
  void navigator.storage?.persist?.();
  const message: ToKeeper = { type: "keep", urls: urlsOf(site, device) };
  keeper.postMessage(message);
}

/** The page's own files by their names, all others by their hashes; of the library what this device needs. */
function urlsOf(site: Site, device: Device): string[] {
  const base = new URL("./", location.href).href;
  const library = new Set(Object.values(site.library[device]));
  const needed = site.files.filter(({ path }) => !path.startsWith("library/") || library.has(path));
  const hashed = needed.filter(({ path }) => path.includes("/"));
  const shell = needed.filter(({ path }) => !path.includes("/")).map(({ path }) => new URL(path, base).href);
  return [
    base,
    new URL("edgediff-web.json", base).href,
    ...shell,
    ...hashed.map(({ path, sha256 }) => new URL(`${path}?${sha256.slice(0, 16)}`, base).href),
  ];
}
