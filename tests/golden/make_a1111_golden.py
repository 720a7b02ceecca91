"""Make ``prompts/a1111.json``: how AUTOMATIC1111's web UI reads prompts.

    python tests/golden/make_a1111_golden.py prompt_parser.py

Needs lark, PyTorch, and ``modules/prompt_parser.py`` of https://github.com/AUTOMATIC1111/stable-diffusion-webui (of
commit 0674fabd when it was made). For each prompt it has ``get_learned_conditioning_prompt_schedules`` of ten steps,
and ``parse_prompt_attention`` of every text in them.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent / "prompts" / "a1111.json"
STEPS = 10
A1111 = (
    "test",
    "",
    "a red apple, with: a colon | and a bar",
    "an (important) word",
    "a [b:3]",
    "a [b: 3]",
    "a [[[b]]:2]",
    "[(a:2):3]",
    "a [b : c : 1] d",
    "a[b:[c:d:2]:1]e",
    "a [b:.5] c",
    "a [b:c:0.29] d",
    "[a|(b:1.1)]",
    "[a|b|c] [d:e:0.55]",
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky)))).",
    "(unnecessary)(parens)",
    r"\(literal\]",
    r"a \\ b \[x\] (c\):1.5)",
    "one BREAK two, (three:0.5) BREAK (four)",
    "(a:b:1.2)",
    "[a::8] tail",
    "[:b:0.4] tail",
    "([a:b:0.5]:1.4) [[c]]",
    "(a [b|c]:-0.5)",
    "[a:b:99]",
)


def main(parser: Path) -> None:
    """How the web UI reads prompts."""
    spec = importlib.util.spec_from_file_location("prompt_parser", parser)
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    cases = []
    for prompt in A1111:
        schedule = theirs.get_learned_conditioning_prompt_schedules([prompt], STEPS)[0]
        read = [{"until": until, "read": theirs.parse_prompt_attention(text)} for until, text in schedule]
        cases.append({"prompt": prompt, "schedule": read})
    golden = {"made_by": "tests/golden/make_a1111_golden.py", "source": "0674fabd", "steps": STEPS, "cases": cases}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
