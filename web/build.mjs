// Builds the page into edgediff/browser/page, or into the folder that is named: `npm ci && npm run build`.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, "..", "edgediff", "browser", "page");
const LIBRARY = "onnxruntime-web";

/** What the built files come from, so that a test can tell without Node whether they are those of the source. */
function sources() {
  const files = readdirSync(join(here, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(here, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));
  return [...files, "build.mjs", "package-lock.json", "tsconfig.json"].sort();
}

function digest(names) {
  const hash = createHash("sha256");
  for (const name of names) {
    hash.update(`${name}\0${createHash("sha256").update(readFileSync(join(here, name))).digest("hex")}\n`);
  }
  return hash.digest("hex");
}

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const options = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};
await build({ ...options, entryPoints: { page: "src/page/page.ts", worker: "src/worker/worker.ts" }, outdir: target });
await build({ ...options, entryPoints: { sw: "src/offline/service_worker.ts" }, outdir: target, format: "iife" });
await build({ ...options, entryPoints: { style: "src/style.css" }, outdir: target });
cpSync(join(here, "src", "index.html"), join(target, "index.html"));

// What the command has to know of the page: what it draws, and which library it computes with.
const { facts } = await import(
  `data:text/javascript;base64,${Buffer.from(
    (await build({ ...options, entryPoints: ["src/facts.ts"], write: false })).outputFiles[0].contents,
  ).toString("base64")}`
);
const locked = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8")).packages[`node_modules/${LIBRARY}`];
const about = {
  ...facts,
  library: { name: LIBRARY, version: locked.version, url: locked.resolved, integrity: locked.integrity },
  sources: digest(sources()),
};
writeFileSync(join(target, "page.json"), `${JSON.stringify(about, null, 2)}\n`);
