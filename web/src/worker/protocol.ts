/** What the page and its worker tell each other. */

import type { Pixels } from "../parts/values";
import type { Asked, Request } from "../running/settings";

export type Device = "webgpu" | "wasm";

/** `edgediff-web.json`, which `edgediff web` writes beside the page. */
export interface Site {
  readonly format: number;
  readonly name: string;
  readonly fingerprint: string;
  /** Every file of the folder with its length and hash; a file is asked for with its hash behind a `?`. */
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
  readonly library: Readonly<Record<Device, { readonly script: string; readonly module: string; readonly wasm: string }>>;
  /** The settings of a run with the bundle's defaults, as edgediff writes them into a picture. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly vocabulary: string | null;
}

export interface About {
  readonly device: Device;
  readonly threads: number;
  /** Why there is no WebGPU, where there is none. */
  readonly note: string | null;
  readonly family: string;
  readonly asked: Asked;
  readonly samplers: readonly { readonly name: string; readonly label: string }[];
  readonly ownSampler: string;
  /** The guidance from which on a negative prompt has an effect; null: none has. */
  readonly guidedAbove: number | null;
  readonly defaults: {
    readonly steps: number;
    readonly guidance: number;
    readonly width: number | null;
    readonly height: number | null;
    readonly strength: number;
  };
}

export type ToWorker =
  | { readonly type: "open"; readonly base: string; readonly device: Device | "auto" }
  | { readonly type: "draw"; readonly request: Request }
  | { readonly type: "cancel" };

export type FromWorker =
  | { readonly type: "loading"; readonly what: string; readonly done: number; readonly total: number }
  | { readonly type: "opened"; readonly about: About }
  /** All that a run computes is loaded. */
  | { readonly type: "warm" }
  | { readonly type: "phase"; readonly what: string }
  | { readonly type: "notice"; readonly sentence: string }
  | {
      readonly type: "step";
      readonly index: number;
      readonly total: number;
      readonly seconds: number;
      readonly preview: Pixels | null;
    }
  | {
      readonly type: "picture";
      readonly picture: Pixels;
      readonly metadata: Readonly<Record<string, unknown>>;
      readonly seconds: number;
      readonly perStep: number;
    }
  | { readonly type: "cancelled" }
  | { readonly type: "problem"; readonly sentence: string; readonly hint: string | null };
