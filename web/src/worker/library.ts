/** ONNX Runtime's web library: its build with WebGPU where there is such a device, else the one for WebAssembly. */

import type * as Ort from "onnxruntime-common";

import { shown } from "../problem";
import type { Device } from "./protocol";
import type { Files } from "./site";

export interface Library {
  readonly ort: typeof Ort;
  readonly device: Device;
  readonly threads: number;
  readonly note: string | null;
}

const MOST_THREADS = 4;

export async function openLibrary(files: Files, wanted: Device | "auto"): Promise<Library> {
  const why = wanted === "wasm" ? null : await lacksWebGpu();
  if (wanted !== "wasm" && why === null) {
    try {
      return { ...(await start(files, "webgpu")), note: null };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { ...(await start(files, "wasm")), note: `WebGPU did not start: ${shown(reason, 120)}` };
    }
  }
  return { ...(await start(files, "wasm")), note: why };
}

async function lacksWebGpu(): Promise<string | null> {
  if (!("gpu" in navigator)) {
    return self.isSecureContext
      ? "this browser has no WebGPU"
      : "no WebGPU: the page is not served over https or from localhost";
  }
  const adapter = await navigator.gpu.requestAdapter();
  return adapter === null ? "WebGPU reaches no device here" : null;
}

async function start(files: Files, device: Device): Promise<Omit<Library, "note">> {
  const names = files.site.library[device];
  const ort = (await import(/* @vite-ignore */ files.url(names.script))) as typeof Ort;
  const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = { mjs: files.url(names.module), wasm: files.url(names.wasm) };
  return { ort, device, threads };
}
