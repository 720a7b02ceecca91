// Bundles the tests and runs them with Node's own runner: `npm test`.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", ".built");
const tests = readdirSync(here).filter((name) => name.endsWith(".test.ts"));
rmSync(target, { recursive: true, force: true });
await build({
  entryPoints: tests.map((name) => join(here, name)),
  outdir: target,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["onnxruntime-web"],
  sourcemap: "inline",
  logLevel: "warning",
});
const built = readdirSync(target).map((name) => join(target, name));
const done = spawnSync(process.execPath, ["--test", "--enable-source-maps", ...built], { stdio: "inherit" });
process.exitCode = done.status ?? 1;
