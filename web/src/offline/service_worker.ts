/**
 * Keeps the folder's files, so that the next visit needs no network, and isolates the page, so that WebAssembly may use
 * several threads (its memory is shared only where these headers say that nobody else can look).
 *
 * A file that is asked for by its hash is kept for good; the page's own few files are asked of the network first.
 */

/// <reference lib="webworker" />

import type { FromKeeper, ToKeeper } from "./protocol";

declare const self: ServiceWorkerGlobalScope;

const CACHE = "edgediff";
const HASHED = /^\?[0-9a-f]{16}$/u;
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
} as const;

self.addEventListener("install", () => void self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method === "GET" && url.href.startsWith(self.registration.scope)) {
    event.respondWith(answer(event.request, HASHED.test(url.search)));
  }
});
self.addEventListener("message", (event: ExtendableMessageEvent) => {
  const message = event.data as ToKeeper;
  const tell = (reply: FromKeeper): void => event.source?.postMessage(reply);
  event.waitUntil(
    keep(message.urls, tell).catch((error: unknown) => {
      tell({ type: "not-kept", reason: error instanceof Error ? error.message : String(error) });
    }),
  );
});

async function answer(request: Request, hashed: boolean): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = hashed ? await cache.match(request) : undefined;
  return isolated(kept ?? (await ofNetwork(request, cache)));
}

async function ofNetwork(request: Request, cache: Cache): Promise<Response> {
  try {
    // Servers that say nothing of how long a file is good have browsers guess: the page's own files are asked for anew.
    const response = await fetch(request, HASHED.test(new URL(request.url).search) ? {} : { cache: "no-cache" });
    if (response.ok) {
      // Storage may be full: the page works all the same, and `keep` tells.
      void cache.put(request, response.clone()).catch(() => undefined);
    }
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: !HASHED.test(new URL(request.url).search) });
    if (kept === undefined) {
      throw error;
    }
    return kept;
  }
}

function isolated(response: Response): Response {
  if (response.type === "opaque" || response.type === "error" || response.redirected) {
    return response;
  }
  const headers = new Headers(response.headers);
  Object.entries(ISOLATION).forEach(([name, value]) => headers.set(name, value));
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/** Fetch what is not kept yet, and let go of all that the folder no longer has. */
async function keep(urls: readonly string[], tell: (reply: FromKeeper) => void): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const [index, url] of urls.entries()) {
    if ((await cache.match(url)) === undefined) {
      const response = await fetch(url);
      if (!response.ok) {
        throw new Error(`${new URL(url).pathname}: ${response.status}`);
      }
      await cache.put(url, response);
    }
    tell({ type: "keeping", done: index + 1, total: urls.length });
  }
  const wanted = new Set(urls);
  for (const request of await cache.keys()) {
    if (request.url.startsWith(self.registration.scope) && !wanted.has(request.url) && !isShell(request.url)) {
      await cache.delete(request);
    }
  }
  tell({ type: "kept" });
}

function isShell(url: string): boolean {
  return !HASHED.test(new URL(url).search);
}
