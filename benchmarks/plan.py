"""A plan's prediction against the run that it planned: ``python benchmarks/plan.py BUNDLE... --budget memory=8GB``.

For each budget a plan is made from fresh measurements; then ``edgediff run --plan`` draws with it in processes of their
own, watched from outside: the time that it reports, and private memory at its peak, against what was predicted.

``--processor`` is for a busy machine: one thread a graph, and on both sides the process's seconds of processor time in
place of the wall's, by a ``sitecustomize`` that replaces the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import edgediff
from edgediff.bench.machine import describe_machine
from edgediff.bench.watch import watch
from edgediff.planning.plan import Plan, described
from edgediff_runtimes.errors import BudgetError

RUN = (sys.executable, "-c", "from edgediff.cli import main; main()", "run")


CLOCK = "import time\ntime.perf_counter = time.process_time\n"


def measured(plan: Plan, *, repeat: int, prompt: str) -> dict[str, list[float]]:
    """Seconds of pictures as runs report them, and private bytes at the peaks, by runs of the plan."""
    found: dict[str, list[float]] = {"time_s": [], "memory_bytes": []}
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "plan.json"
        plan.save_settings(settings)
        for index in range(repeat + 1):
            picture = Path(folder) / f"{index}.png"
            options = ("--plan", str(settings), "--seed", "0", "--json", "-o", str(picture))
            seen = watch((*RUN, prompt, *options), environment={**os.environ})
            if seen.returncode:
                raise SystemExit("\n".join(seen.lines))
            if index == 0:
                continue  # an engine that keeps what it compiles does so now
            (report,) = json.loads("\n".join(seen.lines))
            found["time_s"].append(report["timings"]["total_s"])
            found["memory_bytes"].append(max(memory.anonymous for _, memory in seen.samples))
    return found


def of_budget(
    bundles: list[str], budget: dict[str, Any], options: argparse.Namespace, known: dict[str, Any]
) -> dict[str, Any]:
    """Prediction and measurement for one budget; ``known`` are the runs of plans that other budgets had."""
    asked = {"steps": options.steps, "fresh": not options.kept, "at_most_s": options.at_most_s}
    asked["threads"] = 1 if options.processor else None
    if options.size is not None:
        asked["width"], asked["height"] = map(int, options.size.split("x"))
    if options.engine:
        asked["engine"] = options.engine
    try:
        plan = edgediff.plan(bundles, **budget, **asked)
    except BudgetError as error:
        print(f"{budget}: {error.sentence}")
        return {"budget": budget, "refused": error.sentence}
    chosen = plan.choice.plan
    if described(chosen) not in known:
        known[described(chosen)] = measured(plan, repeat=options.repeat, prompt=options.prompt)
    runs = known[described(chosen)]
    predicted = {"time_s": chosen.time_s, "memory_bytes": chosen.memory_bytes}
    ratios = {name: statistics.median(runs[name]) / value for name, value in predicted.items() if value}
    words = ", ".join(f"{name} {predicted[name]:.4g} x {ratio:.3f}" for name, ratio in ratios.items())
    print(f"{budget}: {described(chosen)}: {words}")
    return {
        "budget": budget,
        "plan": described(chosen),
        "predicted": predicted,
        "measured": runs,
        "ratios": ratios,
        "others_share": [one.figures.others_share for one in plan.measured],
    }


def main() -> None:
    """Plan, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="+")
    parser.add_argument("--budget", action="append", required=True, help="such as memory=8GB,latency=20s; repeat it")
    parser.add_argument("--size", help="WxH")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--engine", action="append")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--at-most-s", type=float, default=300.0)
    parser.add_argument("--kept", action="store_true", help="take figures of an earlier plan")
    parser.add_argument("--processor", action="store_true", help="seconds of the processor, one thread")
    parser.add_argument("--prompt", default="a red apple")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    known: dict[str, Any] = {}
    budgets = [_budget(text) for text in options.budget]
    with tempfile.TemporaryDirectory() as folder:
        if options.processor:
            (Path(folder) / "sitecustomize.py").write_text(CLOCK, encoding="utf-8")
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
            os.environ.setdefault("EDGEDIFF_CACHE", folder)  # no figures of another clock
        results = [of_budget(options.bundles, budget, options, known) for budget in budgets]
    facts = {"machine": describe_machine(), "size": options.size, "steps": options.steps}
    report = {**facts, "clock": "processor" if options.processor else "wall", "results": results}
    options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _budget(text: str) -> dict[str, Any]:
    pairs = dict(pair.split("=", 1) for pair in text.split(",") if pair)
    return {name: float(value) if name == "min_psnr" else value for name, value in pairs.items()}


if __name__ == "__main__":
    main()
