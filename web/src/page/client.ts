/** The worker as the page sees it: opened, asked to draw, ended inside a step where it does not end by itself. */

import type { Request } from "../running/settings";
import type { Device, FromWorker, ToWorker } from "../worker/protocol";

/** How long a cancelled run may take to end between two steps. */
const GRACE_MS = 150;

export class Client {
  private worker: Worker;
  private drawing = false;
  private opening = true;
  private timer: number | null = null;

  constructor(
    private readonly device: Device | "auto",
    private readonly onMessage: (message: FromWorker) => void,
  ) {
    this.worker = this.start();
  }

  draw(request: Request): void {
    this.drawing = true;
    this.post({ type: "draw", request });
  }

  /** WebAssembly computes without looking at messages: the worker is ended, and another one opens the bundle. */
  cancel(): void {
    if (!this.drawing || this.timer !== null) {
      return;
    }
    this.post({ type: "cancel" });
    this.timer = window.setTimeout(() => {
      this.worker.terminate();
      this.ended();
      this.worker = this.start();
      this.onMessage({ type: "cancelled" });
    }, GRACE_MS);
  }

  get busy(): boolean {
    return this.drawing || this.opening;
  }

  private start(): Worker {
    const worker = new Worker(new URL("worker.js", location.href), { type: "module" });
    this.opening = true;
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "opened" || (data.type === "problem" && !this.drawing)) {
        this.opening = false;
      }
      if (data.type === "picture" || data.type === "cancelled" || data.type === "problem") {
        this.ended();
      }
      this.onMessage(data);
    });
    worker.addEventListener("error", (event) => {
      this.ended();
      this.onMessage({ type: "problem", sentence: event.message || "the worker does not start", hint: null });
    });
    worker.postMessage({ type: "open", base: new URL("./", location.href).href, device: this.device } satisfies ToWorker);
    return worker;
  }

  private ended(): void {
    this.drawing = false;
    if (this.timer !== null) {
      window.clearTimeout(this.timer);
      this.timer = null;
    }
  }

  private post(message: ToWorker): void {
    this.worker.postMessage(message);
  }
}
