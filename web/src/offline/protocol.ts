/** What the page and its service worker tell each other. */

export interface ToKeeper {
  readonly type: "keep";
  readonly urls: readonly string[];
}

export type FromKeeper =
  | { readonly type: "keeping"; readonly done: number; readonly total: number }
  | { readonly type: "kept" }
  | { readonly type: "not-kept"; readonly reason: string };
