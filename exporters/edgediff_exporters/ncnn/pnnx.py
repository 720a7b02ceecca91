"""The converter as a program that is called: it brings its own libraries, and nothing of it is imported here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgediff_runtimes.errors import EdgediffError, ExportError

VARIABLE = "PNNX"
PARAM_NAME, BIN_NAME = "model.ncnn.param", "model.ncnn.bin"
_DTYPES = {"float32": "f32", "int32": "i32", "int64": "i64"}
_MAGIC = "7767517"
_HEAD = 2  # lines of a `.param` file before those of layers
# What is no operator of ncnn's is written under the name that PyTorch or the converter has for it.
_FOREIGN = re.compile(r"::|\.|^pnnx|^prim")


def find_pnnx() -> Path:
    """The program.

    Raises:
        EdgediffError: There is none.
    """
    named = os.environ.get(VARIABLE)
    found = shutil.which(named or "pnnx")
    if found is None:
        what = f"`{named}`, which {VARIABLE} names," if named else "`pnnx`"
        raise EdgediffError(
            f"{what} is not there: what converts graphs for ncnn is a program of that name",
            hint="`pip install pnnx` into an environment of its own, and put that environment's `pnnx` into PATH or "
            f"its path into {VARIABLE}",
        )
    return Path(found)


def convert(
    role: str, traced: Path, inputs: Sequence[tuple[str, str, tuple[int, ...]]], outputs: Sequence[str], *, half: bool
) -> tuple[Path, Path]:
    """Convert a traced module.

    Args:
        role: The component, for sentences.
        traced: A TorchScript file, alone in its directory: what is written stands beside it.
        inputs: Name, dtype and shape of each, in the module's order.
        outputs: Names, in the module's order.
        half: Store weights in float16.

    Returns:
        The ``.param`` file, whose blobs have these names, and the ``.bin`` file.

    Raises:
        EdgediffError: The program is not there.
        ExportError: It fails, or the graph has what ncnn has not.
    """
    shapes = ",".join(f"[{','.join(map(str, shape))}]{_DTYPES[dtype]}" for _, dtype, shape in inputs)
    folder = traced.parent
    param, weights = folder / PARAM_NAME, folder / BIN_NAME
    command = [str(find_pnnx()), traced.name, f"inputshape={shapes}", f"fp16={int(half)}"]
    command += [f"ncnnparam={param.name}", f"ncnnbin={weights.name}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - the user's own
    if done.returncode or not (param.exists() and weights.exists()):
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip(" -#")]
        last = said[-1] if said else "it says nothing"
        raise ExportError(f"`{role}` cannot be converted for ncnn: `pnnx` ended with {done.returncode} ({last})")
    names = {f"in{index}": name for index, (name, *_) in enumerate(inputs)}
    names |= {f"out{index}": name for index, name in enumerate(outputs)}
    param.write_text(_renamed(role, param.read_text(encoding="utf-8"), names), encoding="utf-8")
    return param, weights


def _renamed(role: str, text: str, names: Mapping[str, str]) -> str:
    """A ``.param`` file with our names of inputs and outputs."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != _MAGIC:
        raise ExportError(f"`{role}` cannot be converted for ncnn: what `pnnx` wrote is no graph")
    renamed, found, foreign = lines[:_HEAD], set(), set()
    for line in lines[_HEAD:]:
        kind, name, bottoms, tops, *rest = line.split()
        count = int(bottoms) + int(tops)
        found |= names.keys() & {*rest[:count]}
        foreign |= {kind} if _FOREIGN.search(kind) else set()
        blobs = [names.get(blob, blob) for blob in rest[:count]]
        renamed.append(" ".join([kind, names.get(name, name), bottoms, tops, *blobs, *rest[count:]]))
    if foreign:
        raise ExportError(f"`{role}` cannot be converted for ncnn: it has no {', '.join(sorted(foreign))}")
    if missing := [name for own, name in names.items() if own not in found]:
        raise ExportError(f"`{role}` cannot be converted for ncnn: its graph does without {', '.join(missing)}")
    return "\n".join(renamed) + "\n"
