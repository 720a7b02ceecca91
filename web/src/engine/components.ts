/** The bundle's graphs: fetched, loaded, and freed behind their use where memory would not hold all of them. */

import type * as Ort from "onnxruntime-common";

import type { Component, Manifest } from "../bundle/manifest";
import { engineProblem } from "../problem";
import type { Components } from "../running/stage";
import type { Device } from "../worker/protocol";
import type { Session } from "./session";
import { sessionOf } from "./session";

/** Together at most, where all stay loaded. */
const RESIDENT_BYTES = 2 ** 30;

export type Fetch = (path: string) => Promise<Uint8Array>;

export interface WarmComponents extends Components {
  /** Load components before they are needed, where all of them stay loaded. */
  warm(roles: readonly string[]): Promise<void>;
}

export function componentsOf(
  ort: typeof Ort,
  manifest: Manifest,
  device: Device,
  fetchFile: Fetch,
  onLoad: (role: string) => void,
): WarmComponents {
  const loaded = new Map<string, Promise<Session>>();
  const bytes = [...manifest.components.values()].flatMap((one) => one.files).reduce((sum, file) => sum + file.bytes, 0);
  const stays = bytes <= RESIDENT_BYTES;
  const use = (role: string): Promise<Session> => {
    const known = loaded.get(role);
    if (known !== undefined) {
      return known;
    }
    onLoad(role);
    const session = load(ort, manifest.components.get(role) as Component, device, fetchFile);
    loaded.set(role, session);
    session.catch(() => loaded.delete(role));
    return session;
  };
  return {
    use,
    async release(role) {
      const session = loaded.get(role);
      if (!stays && session !== undefined) {
        loaded.delete(role);
        await (await session).release();
      }
    },
    async warm(roles) {
      for (const role of stays ? roles : []) {
        await use(role);
      }
    },
  };
}

async function load(ort: typeof Ort, component: Component, device: Device, fetchFile: Fetch): Promise<Session> {
  const [graph, ...weights] = component.files;
  const path = graph?.path ?? "";
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const externalData: { path: string; data: Uint8Array }[] = [];
  for (const file of weights) {
    externalData.push({ path: file.path.slice(folder.length), data: await fetchFile(file.path) });
  }
  const bytes = await fetchFile(path);
  const options: Ort.InferenceSession.SessionOptions = {
    executionProviders: [device],
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
    ...(externalData.length > 0 ? { externalData } : {}),
  };
  const session = await ort.InferenceSession.create(bytes, options).catch((error: unknown) => {
    throw engineProblem(component.role, "loaded", error);
  });
  return sessionOf(ort, session, component.role);
}
