"""Which ``.safetensors`` files of a component's directory hold its weights.

One component can be there several times, as variants: ``model.safetensors``, ``model.fp16.safetensors`` ... The plain
one goes first, then the more exact ones; others are taken where they are the only ones. Each can be in shards, whose
index names them; where the index is not there, complete shards tell themselves (``model-00001-of-00002.safetensors``).
"""

from __future__ import annotations

import re
from pathlib import Path

from edgediff_exporters.sources.base import read_json
from edgediff_runtimes.errors import SourceError

PICKLES = (".bin", ".ckpt", ".pt", ".pth")
_PREFERRED = ("", "fp32", "fp16", "bf16")
_LAST = "non_ema"  # weights as training left them, which draw a little worse than their running mean
_NAME = re.compile(
    r"(?:diffusion_pytorch_model|model)(?:\.(?P<before>\w+))?-(?P<shard>\d{5})-of-(?P<shards>\d{5})"
    r"(?:\.(?P<after>\w+))?\.safetensors|(?:diffusion_pytorch_model|model)(?:\.(?P<variant>\w+))?\.safetensors"
)
_INDEX = re.compile(r"(?:diffusion_pytorch_model|model)\.safetensors\.index(?:\.(?P<variant>\w+))?\.json")
_NAMED_AT_MOST = 5


def weight_files(folder: Path, origin: str) -> list[Path]:
    """The ``.safetensors`` files of a component, shards included.

    Raises:
        SourceError: There are none, a shard is missing, or there are several variants and none is preferred.
    """
    part = folder / origin
    if files := find_weight_files(part):
        return files
    there = sorted(path.name for path in part.iterdir() if path.suffix != ".json") if part.is_dir() else []
    if pickles := [name for name in there if Path(name).suffix in PICKLES and not _is_ir(name, there)]:
        raise SourceError(
            f"the weights of `{origin}` are there only as a pickle (`{pickles[0]}`), which can run any code: expected "
            "`.safetensors`",
            hint="load the model with diffusers where you trust it and save it with "
            "`save_pretrained(..., safe_serialization=True)`",
        )
    raise SourceError(
        f"the component `{origin}` has no weights: expected a `.safetensors` file such as "
        f"`{origin}/diffusion_pytorch_model.safetensors`"
        + (f"; it holds {', '.join(f'`{name}`' for name in there[:_NAMED_AT_MOST])}" if there else "")
    )


def find_weight_files(part: Path) -> list[Path]:
    """The files of the best variant in a component's directory; none where there are no weights.

    Raises:
        SourceError: As ``weight_files``.
    """
    variants = _variants(part)
    for variant in _PREFERRED:
        if variant in variants:
            return variants[variant]
    others = {name: files for name, files in variants.items() if name != _LAST} or variants
    if len(others) > 1:
        raise SourceError(
            f"the weights of `{part.name}` are there as {', '.join(f'`{name}`' for name in sorted(others))}: expected "
            "one of them, or a file without such a name",
            hint="move the others away",
        )
    return next(iter(others.values()), [])


def _variants(part: Path) -> dict[str, list[Path]]:
    """The files of each variant, by its name; the plain one's is empty."""
    names = sorted(path.name for path in part.iterdir()) if part.is_dir() else []
    single: dict[str, list[Path]] = {}
    shards: dict[str, list[Path]] = {}
    counts: dict[str, int] = {}
    for name in names:
        if (match := _NAME.fullmatch(name)) is None or not (part / name).is_file():
            continue
        variant = match["variant"] or match["before"] or match["after"] or ""
        if match["shard"] is None:
            single[variant] = [part / name]
        else:
            shards.setdefault(variant, []).append(part / name)
            counts[variant] = max(counts.get(variant, 0), int(match["shards"]))
    complete = {variant: files for variant, files in shards.items() if len(files) == counts[variant]}
    indexed = {match["variant"] or "": _indexed(part, name) for name in names if (match := _INDEX.fullmatch(name))}
    return {**complete, **indexed, **single}


def _indexed(part: Path, index: str) -> list[Path]:
    shards = read_json(part / index).get("weight_map")
    if not (isinstance(shards, dict) and shards and all(isinstance(shard, str) for shard in shards.values())):
        raise SourceError(
            f"`{part.name}/{index}` does not say which file holds which tensor: expected names by name in `weight_map`"
        )
    # Only the name counts: a shard lies beside its index.
    files = [part / Path(shard).name for shard in sorted(set(shards.values()))]
    for file in files:
        if not file.is_file():
            raise SourceError(
                f"the weights of `{part.name}` are not complete: `{file.name}` is missing",
                hint="download the model again, or the file that is missing",
            )
    return files


def _is_ir(name: str, there: list[str]) -> bool:
    """Whether a ``.bin`` holds the weights of an OpenVINO graph and no pickle."""
    return Path(name).with_suffix(".xml").name in there
