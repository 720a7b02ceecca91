"""What the pipeline costs beyond its graphs: loop overhead, peak memory, cancelling inside a step.

    python benchmarks/pipeline_cost.py BUNDLE [--size 512x512] [--steps 4] [--rounds 3] [--parts memory ...]
        [--tile 256] [--suffix -768]

- *overhead*: in one process and on one session, our guided steps and bare ``session.run`` calls of the same shapes take
  turns one by one; the overhead is the median of the pairs' ratios, minus one;
- *loop*: seconds of a step whose graphs are replaced by functions that return ready arrays;
- *memory*: peak of a process that draws one picture, with components resident, sequential, sequential in an engine
  told to spare memory, with the two calls of guidance one after the other as well, and decoded in tiles as well;
- *cancel*: from another thread, at several moments of a step; then the same seed again, compared bit by bit with a
  picture from a fresh process.

Results: ``results/pipeline_cost-NAME.json``; with a suffix another file, for another size of the same bundle.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import RESULTS, Child, machine, run_child, store, summary

import edgediff
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import Cancelled

# name -> options of ``load``
RESIDENCIES: dict[str, dict[str, Any]] = {
    "resident": {},
    "sequential": {"residency": "sequential"},
    "sparing": {"residency": "sequential", "low_memory": True},
    "sparing, tiles": {"residency": "sequential", "low_memory": True},
    "sparing, guidance split": {"residency": "sequential", "low_memory": True, "split_guidance": True},
}
PROMPT, SEED = "a red apple", 0


def overhead(given: argparse.Namespace) -> dict[str, Any]:
    """Our seconds per step against bare calls of the same session settings with the same shapes."""
    ours: list[float] = []
    bare: list[float] = []
    with edgediff.load(given.bundle) as pipeline, pipeline._components.use("unet") as unet:
        session = unet._session
        feeds = _feeds(session, given)
        session.run(feeds)
        for _ in range(given.rounds):
            with pipeline.stream(PROMPT, **_options(given)) as run:
                for _ in range(given.steps):
                    began = time.perf_counter()
                    session.run(feeds)
                    bare.append(time.perf_counter() - began)
                    began = time.perf_counter()
                    next(run)
                    ours.append(time.perf_counter() - began)
                # The first step also encodes the prompt; closing spares the decoding.
                del ours[-given.steps], bare[-given.steps]
    return {
        "ours_s": summary(ours),
        "bare_s": summary(bare),
        "overhead": summary([one / other for one, other in zip(ours, bare, strict=True)])["median"] - 1,
    }


def loop_alone(given: argparse.Namespace) -> dict[str, Any]:
    """Seconds of one step without its graphs: the network is replaced by a function that returns a ready array."""
    bundle = Bundle.open(given.bundle)
    ready: dict[tuple[int, ...], Any] = {}

    def handler(role: str, feeds: dict[str, Any]) -> dict[str, Any]:
        if role == "text_encoder":
            width = bundle.manifest.components["unet"].inputs[2].shape[2]
            return {"last_hidden_state": np.zeros((*feeds["input_ids"].shape, width), np.float32)}
        if role == "unet":
            shape = feeds["sample"].shape
            return {"out_sample": ready.setdefault(shape, np.ones(shape, np.float32))}
        batch, _, height, width = feeds["latent_sample"].shape
        factor = bundle.manifest.recipe.first.space.factor
        return {"sample": np.zeros((batch, 3, height * factor, width * factor), np.float32)}

    with edgediff.load(given.bundle, engine=edgediff.FakeEngine(handler)) as pipeline:
        return {"step_s": summary(pipeline(PROMPT, **_options(given, steps=50)).timings.steps_s)}


def draw(given: argparse.Namespace) -> None:
    """Draw one picture in this process; prints its hash and timings."""
    with edgediff.load(given.bundle, **RESIDENCIES[given.child]) as pipeline:
        tile = given.tile if given.child == "sparing, tiles" else None
        result = pipeline(PROMPT, tile=tile, **_options(given))
    timings = result.timings
    seconds = {"text_s": timings.text_s, "steps_s": timings.steps_s, "decode_s": timings.decode_s}
    print(json.dumps({"hash": _hash(result), **seconds}))


def cancelling(given: argparse.Namespace) -> dict[str, Any]:
    """Seconds from ``cancel`` to ``Cancelled``, and whether the next picture is that of a fresh process."""
    latencies = []
    with edgediff.load(given.bundle) as pipeline:
        with pipeline.stream(PROMPT, **_options(given)) as run:
            next(run)
            began = time.perf_counter()
            next(run)
            step_s = time.perf_counter() - began
        for fraction in np.linspace(0.05, 0.9, 6):
            run = pipeline.stream(PROMPT, **_options(given))
            next(run)
            asked: list[float] = []
            timer = threading.Timer(fraction * step_s, lambda run=run, asked=asked: _cancel(run, asked))
            timer.start()
            try:
                next(run)
            except Cancelled:
                latencies.append(time.perf_counter() - asked[0])
            timer.join()
        after = _hash(pipeline(PROMPT, **_options(given)))
    equal = after == _draw_in_child(given, "resident").output["hash"]
    return {"latency_s": summary(latencies), "step_s": step_s, "next_picture_is_bit_equal": equal}


def memory(given: argparse.Namespace) -> dict[str, Any]:
    """Peaks of a process that draws one picture, and its seconds."""
    measured = {}
    for residency in given.residencies:
        run = _draw_in_child(given, residency)
        measured[residency] = {
            "peak_rss_bytes": run.peak_rss,
            "peak_anonymous_bytes": run.peak_anonymous,
            "steps_s": summary(run.output["steps_s"]),
            "text_s": run.output["text_s"],
            "decode_s": run.output["decode_s"],
        }
    return measured


def _draw_in_child(given: argparse.Namespace, residency: str) -> Child:
    words = ["--size", given.size, "--steps", str(given.steps), "--guidance", str(given.guidance)]
    words += ["--tile", str(given.tile)]
    return run_child([__file__, given.bundle, *words, "--child", residency])


PARTS_MEASURED = {"overhead": overhead, "loop": loop_alone, "memory": memory, "cancel": cancelling}
PARTS = list(PARTS_MEASURED)


def _cancel(run: edgediff.Run, asked: list[float]) -> None:
    asked.append(time.perf_counter())
    run.cancel()


def _options(given: argparse.Namespace, steps: int | None = None) -> dict[str, Any]:
    width, height = map(int, given.size.split("x"))
    sizes = {"width": width, "height": height}
    return {"seed": SEED, "guidance": given.guidance, "steps": steps or given.steps, **sizes}


def _feeds(session: Any, given: argparse.Namespace) -> dict[str, Any]:  # noqa: ANN401 - any engine's session
    generator = np.random.default_rng(0)
    manifest = Bundle.open(given.bundle).manifest
    width, height = (int(side) // manifest.recipe.first.space.factor for side in given.size.split("x"))
    lengths = {"batch": 2, "height": height, "width": width, "sequence": manifest.tokenizers[0].max_tokens}
    feeds = {}
    for name, spec in session.inputs.items():
        shape = [lengths[axis] if isinstance(axis, str) else axis for axis in spec.shape]
        feeds[name] = generator.standard_normal(shape).astype(spec.dtype)
    return feeds | {"timestep": np.full(session.inputs["timestep"].shape, 500, np.float32)}


def _hash(result: edgediff.Result) -> str:
    return hashlib.sha256(np.asarray(result.images[0]).tobytes() + result.latents.tobytes()).hexdigest()


def main() -> None:
    """Run the experiments and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--guidance", type=float, default=5.0)
    parser.add_argument("--tile", type=int, default=256, help="pixels, of `sparing, tiles`")
    parser.add_argument("--suffix", default="", help="of the results' name")
    parser.add_argument("--residencies", nargs="+", choices=RESIDENCIES, default=list(RESIDENCIES), help="of `memory`")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="others keep their stored result")
    parser.add_argument("--child", choices=RESIDENCIES)
    given = parser.parse_args()
    if given.child:
        draw(given)
        return
    path = RESULTS / f"pipeline_cost-{Path(given.bundle).name}{given.suffix}.json"
    report = json.loads(path.read_text(encoding="utf-8")) if given.parts != PARTS and path.is_file() else {}
    about = {
        "machine": machine(),
        "size": given.size,
        "steps": given.steps,
        "guidance": given.guidance,
        "rounds": given.rounds,
        "tile": given.tile,
    }
    for part in given.parts:
        measured = PARTS_MEASURED[part](given)
        print(part, json.dumps(measured, indent=2))
        report[part] = {**about, **measured}
    print(store(path.stem, report))


if __name__ == "__main__":
    main()
