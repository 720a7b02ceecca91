"""Two versions of edgediff in one run: seconds of a picture's parts and its bytes, in turns.

    python benchmarks/before_after.py --before PYTHON [--after PYTHON] NAME=BUNDLE[,BUNDLE] ... [--rounds 5] [--steps N]

``PYTHON`` is the interpreter of a virtual environment in which that version is installed. A case is a name and the
bundle or shipped model; two where each version has its own, because it cannot read the other's. Each round draws one
picture in a fresh process of each version; the first one of a process warms up and is not counted. Results:
``results/before_after-NAMES.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from harness import machine, run_child, store, summary

PARTS = ("load_s", "text_s", "step_s", "decode_s")
# Read by whichever version the interpreter has, so it holds to names that both have.
DRAW = """
import hashlib, json, statistics, sys, time
import edgediff
began = time.perf_counter()
with edgediff.load(sys.argv[1]) as pipeline:
    load_s = time.perf_counter() - began
    options = {"seed": 0, **json.loads(sys.argv[2])}
    pipeline("a red apple", **options)
    result = pipeline("a red apple", **options)
timings = result.timings
print(json.dumps({
    "load_s": load_s, "text_s": timings.text_s, "step_s": statistics.median(timings.steps_s),
    "decode_s": timings.decode_s, "hash": hashlib.sha256(result.latents.tobytes()).hexdigest(),
}))
"""


def main() -> None:
    """Measure all cases and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+")
    parser.add_argument("--before", required=True)
    parser.add_argument("--after", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    options = json.dumps({} if given.steps is None else {"steps": given.steps})
    cases = {}
    for case in given.cases:
        name, _, bundles = case.partition("=")
        old, _, new = bundles.partition(",")
        cases[name] = measured(given, old, new or old, options)
        print(name, json.dumps(cases[name], indent=2))
    print(
        store(
            f"before_after-{'-'.join(cases)}",
            {"machine": machine(), "rounds": given.rounds, "options": options, "cases": cases},
        )
    )


def measured(given: argparse.Namespace, old: str, new: str, options: str) -> dict[str, Any]:
    """Both versions in turns, and the median of the rounds' ratios."""
    sides: dict[str, list[dict[str, Any]]] = {"before": [], "after": []}
    for number in range(given.rounds):
        turns = [("before", given.before, old), ("after", given.after, new)]
        for side, python, bundle in turns if number % 2 else reversed(turns):
            child = run_child(["-P", "-c", DRAW, bundle, options], python=python)
            sides[side].append({**child.output, "peak_rss": child.peak_rss})
    result: dict[str, Any] = {"equal": len({run["hash"] for runs in sides.values() for run in runs}) == 1}
    for part in (*PARTS, "peak_rss"):
        before, after = ([run[part] for run in sides[side]] for side in ("before", "after"))
        ratios = [new_ / old_ for old_, new_ in zip(before, after, strict=True)]
        result[part] = {"before": summary(before), "after": summary(after), "ratio": summary(ratios)}
    return result


if __name__ == "__main__":
    main()
