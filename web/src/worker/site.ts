/** The files of the folder, each asked for by its hash, so that whatever keeps them keeps the right ones. */

import { Problem } from "../problem";
import type { Site } from "./protocol";

const FORMAT = 1;

export class Files {
  private readonly entries: ReadonlyMap<string, { readonly bytes: number; readonly sha256: string }>;

  constructor(
    readonly site: Site,
    private readonly base: string,
  ) {
    this.entries = new Map(site.files.map((file) => [file.path, file]));
  }

  static async open(base: string): Promise<Files> {
    const response = await asked(new URL("edgediff-web.json", base), "edgediff-web.json");
    const site = parsed(await response.text(), "edgediff-web.json") as Site;
    if (site === null || site.format !== FORMAT || !Array.isArray(site.files)) {
      throw new Problem("`edgediff-web.json` is not this page's: expected the one that `edgediff web` wrote beside it");
    }
    return new Files(site, base);
  }

  has(path: string): boolean {
    return this.entries.has(path);
  }

  /** Paths in a folder of the bundle, its own name left out. */
  within(folder: string): string[] {
    const prefix = `${folder}/`;
    return [...this.entries.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  }

  url(path: string): string {
    const entry = this.entries.get(path);
    if (entry === undefined) {
      throw new Problem(`\`${path}\` is not in the folder: expected it there`, "make the folder again with `edgediff web`");
    }
    return new URL(`${path}?${entry.sha256.slice(0, 16)}`, this.base).href;
  }

  async json(path: string): Promise<unknown> {
    return parsed(await this.text(path), path);
  }

  async text(path: string): Promise<string> {
    return (await asked(this.url(path), path)).text();
  }

  /** A file's bytes; told how far it is. */
  async bytes(path: string, onProgress: (done: number, total: number) => void): Promise<Uint8Array> {
    const total = this.entries.get(path)?.bytes ?? 0;
    const response = await asked(this.url(path), path);
    const data = new Uint8Array(total);
    let done = 0;
    const reader = response.body?.getReader();
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      if (done + part.value.length <= total) {
        data.set(part.value, done);
      }
      done += part.value.length;
      onProgress(done, total);
    }
    if (done !== total) {
      throw new Problem(`\`${path}\` has ${done} bytes: expected ${total}`, "make the folder again with `edgediff web`");
    }
    return data;
  }
}

function parsed(text: string, name: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Problem(`\`${name}\` is no JSON: expected what \`edgediff web\` wrote`);
  }
}

async function asked(url: string | URL, name: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    throw new Problem(`\`${name}\` cannot be fetched: expected the server of this page to answer`);
  }
  if (!response.ok) {
    throw new Problem(`\`${name}\` cannot be fetched (${response.status}): expected it beside the page`);
  }
  return response;
}
