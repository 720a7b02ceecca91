// The page in headless Chromium, over `python -m http.server`: `npm run e2e`. Takes minutes.
//
// EDGEDIFF: the command (default `edgediff`); PYTHON: the interpreter (default `python3`); CHROMIUM: the browser
// (default /usr/bin/chromium); SITES: a folder for what is made, pictures of the page among it (default: a new one).
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { chromium, devices } from "playwright-core";

const edgediff = process.env.EDGEDIFF ?? "edgediff";
const python = process.env.PYTHON ?? "python3";
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const sites = process.env.SITES ?? mkdtempSync(join(tmpdir(), "edgediff-web-"));
const only = process.argv.slice(2);
const MINUTES = 60_000;
mkdirSync(sites, { recursive: true });

function run(command, ...args) {
  const done = spawnSync(command, args, { encoding: "utf8", cwd: sites });
  assert.equal(done.status, 0, `${command} ${args.join(" ")}: ${done.stderr}`);
  return done.stdout;
}

/** Largest difference of two PNGs, in levels of 255. */
function difference(first, second) {
  const code = `import sys, numpy as np; from PIL import Image
a, b = (np.asarray(Image.open(p).convert("RGB")).astype(int) for p in sys.argv[1:])
print(abs(a - b).max() if a.shape == b.shape else 999)`;
  return Number(run(python, "-c", code, first, second));
}

let port = 8400;
async function serve(folder) {
  port += 1;
  const process_ = spawn(python, ["-m", "http.server", String(port), "--bind", "127.0.0.1", "-d", folder], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}/`;
  for (let tries = 0; tries < 100; tries += 1) {
    const answers = await fetch(url).then((response) => response.ok, () => false);
    if (answers) {
      break;
    }
    await pause(100);
  }
  return {
    url,
    stop: () =>
      new Promise((resolve) => {
        process_.once("exit", resolve);
        process_.kill();
      }),
  };
}

const made = new Set();
function site(model) {
  const folder = join(sites, model);
  if (!made.has(model)) {
    made.add(model);
    run(edgediff, "web", model, folder, ...(existsSync(folder) ? ["--overwrite"] : []));
  }
  return folder;
}

async function open(browser, url, options = {}) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  const foreign = [];
  const problems = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !/^(blob|data):/u.test(request.url())) {
      foreign.push(request.url());
    }
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.setDefaultTimeout(10 * MINUTES);
  await page.goto(url);
  return { context, page, foreign, problems };
}

const ready = (page) => page.locator("#draw:not([disabled])").waitFor();
const drawn = (page, count) => page.waitForFunction((n) => Number(document.body.dataset.pictures ?? 0) >= n, count);

async function save(page, path) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#save").click()]);
  await download.saveAs(path);
}

async function draw(page, { prompt, seed, ...others }, count = 1) {
  await page.fill("#prompt", prompt);
  await page.fill("#seed", String(seed));
  for (const [name, value] of Object.entries(others)) {
    await page.fill(`#${name}`, String(value));
  }
  await page.locator("#draw").click();
  await drawn(page, count);
}

const tests = {
  async "the same seed gives the command's picture, and the file repeats it"(browser) {
    for (const [model, prompt, seed] of [["emoji-lcm", "a red apple", 3], ["emoji", "a sailboat", 5]]) {
      const server = await serve(site(model));
      const { context, page, foreign, problems } = await open(browser, `${server.url}?device=wasm`);
      await ready(page);
      await draw(page, { prompt, seed });
      const [here, there, again] = ["page", "command", "again"].map((name) => join(sites, `${model}-${name}.png`));
      await save(page, here);
      run(edgediff, "run", prompt, "-m", model, "--seed", String(seed), "-o", there, "--overwrite");
      run(edgediff, "run", "--repeat", here, "-m", model, "-o", again, "--overwrite");
      const levels = [difference(here, there), difference(here, again)];
      console.log(`  ${model}: ${levels[0]} levels from the command, ${levels[1]} from --repeat; ${await page.textContent("#caption")}`);
      assert.ok(Math.max(...levels) <= 2);
      assert.deepEqual([foreign, problems], [[], []]);
      await page.screenshot({ path: join(sites, `${model}-desktop.png`) });
      await context.close();
      await server.stop();
    }
  },

  async "a phone, by keyboard alone"(browser) {
    const server = await serve(site("emoji-lcm"));
    const { context, page } = await open(browser, `${server.url}?device=wasm`, devices["Pixel 7"]);
    await ready(page);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "prompt");
    await page.keyboard.type("a green apple");
    await page.keyboard.press("Enter");
    await drawn(page, 1);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `${overflow} pixels too wide`);
    await page.screenshot({ path: join(sites, "phone.png"), fullPage: true });
    await context.close();
    await server.stop();
  },

  async "cancelling ends a run inside it, and the next one draws"(browser) {
    const server = await serve(site("emoji"));
    const { context, page } = await open(browser, `${server.url}?device=wasm`);
    await ready(page);
    await page.fill("#prompt", "a fox");
    await page.fill("#seed", "1");
    await page.fill("#steps", "1000");
    await page.locator("#draw").click();
    await page.waitForFunction(() => Number(document.body.dataset.step ?? 0) >= 3);
    await page.screenshot({ path: join(sites, "drawing.png") });
    const began = Date.now();
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.querySelector("#status").textContent === "Cancelled");
    console.log(`  cancelled after ${Date.now() - began} ms, in step ${await page.evaluate(() => document.body.dataset.step)}`);
    await ready(page);
    await page.waitForFunction(() => !document.body.dataset.pictures);
    await draw(page, { prompt: "a fox", seed: 1, steps: 4 });
    // A call of the network that takes longer than the page waits: the worker is ended inside it.
    await page.fill("#width", "512");
    await page.fill("#height", "512");
    await page.locator("#draw").click();
    await page.waitForFunction(() => !document.querySelector("#cancel").disabled);
    await pause(700);
    const again = Date.now();
    await page.locator("#cancel").click();
    await page.waitForFunction(() => document.querySelector("#status").textContent === "Cancelled");
    console.log(`  cancelled a large one after ${Date.now() - again} ms`);
    await page.fill("#width", "");
    await page.fill("#height", "");
    await page.waitForFunction(() => document.querySelector("#status").textContent === "Ready");
    await draw(page, { prompt: "a fox", seed: 1, steps: 4 }, 2);
    await context.close();
    await server.stop();
  },

  async "the second visit needs no network"(browser) {
    const server = await serve(site("emoji-lcm"));
    const { context, page } = await open(browser, `${server.url}?device=wasm`);
    await ready(page);
    await draw(page, { prompt: "a red apple", seed: 3 });
    await page.waitForFunction(() => document.querySelector("#offline").textContent === "offline ready");
    const first = join(sites, "online.png");
    await save(page, first);
    await page.close();
    await server.stop();
    const second = await context.newPage();
    await second.goto(`${server.url}?device=wasm`);
    await ready(second);
    console.log(`  ${await second.textContent("#device")}; isolated: ${await second.evaluate(() => crossOriginIsolated)}`);
    await draw(second, { prompt: "a red apple", seed: 3 });
    await save(second, join(sites, "offline.png"));
    assert.equal(difference(first, join(sites, "offline.png")), 0);
    await context.close();
  },

  async "from a picture"(browser) {
    const photo = join(sites, "photo.png");
    run(python, "-c", `from PIL import Image; Image.radial_gradient("L").resize((80, 72)).convert("RGB").save(${JSON.stringify(photo)})`);
    const server = await serve(site("emoji"));
    const { context, page } = await open(browser, `${server.url}?device=wasm`);
    await ready(page);
    await page.locator("#image-field summary").click();
    await page.setInputFiles("#image", photo);
    await draw(page, { prompt: "a sun", seed: 2, strength: 0.5 });
    await save(page, join(sites, "from-picture-page.png"));
    const there = join(sites, "from-picture-command.png");
    run(edgediff, "run", "a sun", "-m", "emoji", "--seed", "2", "--image", photo, "--strength", "0.5", "-o", there, "--overwrite");
    const levels = difference(join(sites, "from-picture-page.png"), there);
    console.log(`  ${levels} levels from the command`);
    assert.ok(levels <= 2);
    await context.close();
    await server.stop();
  },

  async "a wrong bundle is one sentence"(browser) {
    const wrong = {
      "a part": [(m) => m.stages[0].given.push({ part: "rope" }), /is "rope": expected one of tokens/u],
      OpenVINO: [(m) => (m.components.unet.format = "openvino"), /`unet` is in the format `openvino`: expected `onnx`/u],
      "too large": [(m) => (m.components.unet.files[0].bytes = 3e9), /`unet` has 2.8 GiB: expected at most 2 GiB/u],
      "a scheduler": [(m) => (m.scheduler._class_name = "UniPCMultistepScheduler"), /scheduler is "UniPCMultistepScheduler"/u],
      "no JSON": [null, /`bundle\/edgediff.json` is no JSON/u],
    };
    for (const [name, [change, expected]] of Object.entries(wrong)) {
      const folder = join(sites, "wrong");
      rmSync(folder, { recursive: true, force: true });
      cpSync(site("emoji-lcm"), folder, { recursive: true });
      const path = join(folder, "bundle", "edgediff.json");
      const manifest = JSON.parse(readFileSync(path, "utf8"));
      change?.(manifest);
      writeFileSync(path, change === null ? "{" : JSON.stringify(manifest));
      const server = await serve(folder);
      const { context, page } = await open(browser, `${server.url}?device=wasm`);
      await page.locator("#notice:not([hidden])").waitFor();
      const sentence = await page.textContent("#notice");
      console.log(`  ${name}: ${sentence}`);
      assert.match(sentence, expected);
      assert.equal(await page.locator("#draw").isDisabled(), true);
      await context.close();
      await server.stop();
    }
  },
};

const slow = {
  async "WebGPU on SwiftShader"() {
    const args = ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];
    const browser = await chromium.launch({ executablePath, args });
    const server = await serve(site("emoji-lcm"));
    const { context, page } = await open(browser, `${server.url}?device=webgpu`);
    await ready(page);
    console.log(`  device: ${await page.textContent("#device")}`);
    assert.equal(await page.evaluate(() => document.body.dataset.device), "webgpu");
    page.setDefaultTimeout(20 * MINUTES);
    const began = Date.now();
    let before = "";
    const watch = setInterval(async () => {
      const status = await page.textContent("#status").catch(() => before);
      if (status !== before) {
        console.log(`  ${Math.round((Date.now() - began) / 1000)} s: ${status}`);
        before = status;
      }
    }, 1000);
    try {
      await draw(page, { prompt: "a red apple", seed: 3 });
    } finally {
      clearInterval(watch);
    }
    const here = join(sites, "webgpu.png");
    await save(page, here);
    const there = join(sites, "emoji-lcm-command.png");
    run(edgediff, "run", "a red apple", "-m", "emoji-lcm", "--seed", "3", "-o", there, "--overwrite");
    console.log(`  ${difference(here, there)} levels from the command; ${await page.textContent("#caption")}`);
    assert.ok(difference(here, there) <= 2);
    await context.close();
    await server.stop();
    await browser.close();
  },
};

const wanted = (name) => only.length === 0 || only.some((word) => name.includes(word));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
console.log(`Chromium ${browser.version()}, ${sites}`);
let failed = 0;
for (const [name, test] of Object.entries({ ...tests, ...slow })) {
  if (!wanted(name)) {
    continue;
  }
  console.log(name);
  try {
    await test(browser);
  } catch (error) {
    failed += 1;
    console.log(`  FAILED: ${error.stack}`);
  }
}
await browser.close();
process.exit(failed === 0 ? 0 : 1);
