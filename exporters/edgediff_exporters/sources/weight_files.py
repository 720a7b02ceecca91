"""Which ``.safetensors`` files of a component's directory hold its weights.

One component can be there several times, as variants: ``model.safetensors``, ``model.fp16.safetensors`` ... The plain
one goes first, then the more exact ones; others are taken where they are the only ones. Each can be in shards, whose
index names them; where the index is not there, complete shards tell themselves (``model-00001-of-00002.safetensors``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edgediff_exporters.sources.files import find_file, names_in, read_json
from edgediff_runtimes.errors import SourceError, shown
from edgediff_runtimes.untrusted.links import is_regular

PICKLES = (".bin", ".ckpt", ".pt", ".pth")
_PREFERRED = ("", "fp32", "fp16", "bf16")
_LAST = "non_ema"  # weights as training left them, which draw a little worse than their running mean
_NAME = re.compile(
    r"(?:diffusion_pytorch_model|model)(?:\.(?P<before>\w+))?-(?P<shard>\d{5})-of-(?P<shards>\d{5})"
    r"(?:\.(?P<after>\w+))?\.safetensors|(?:diffusion_pytorch_model|model)(?:\.(?P<variant>\w+))?\.safetensors"
)
_INDEX = re.compile(r"(?:diffusion_pytorch_model|model)\.safetensors\.index(?:\.(?P<variant>\w+))?\.json")
_NAMED_AT_MOST = 5


def weight_files(folder: Path, origin: str, *, place: str | None = None) -> list[Path]:
    """The ``.safetensors`` files of a component, shards included.

    Args:
        folder: The model's directory.
        origin: The component.
        place: Where its files are in the directory; None: in one of its name.

    Raises:
        SourceError: There are none, a shard is missing, a link leads out of the folder, or there are several variants
            and none is preferred.
    """
    place = place or origin
    if files := find_weight_files(folder, place):
        return files
    there = [name for name in names_in(folder / place) if not name.endswith(".json")]
    if pickles := [name for name in there if Path(name).suffix in PICKLES and not _is_ir(name, there)]:
        raise SourceError(
            f"the weights of `{origin}` are there only as a pickle (`{shown(pickles[0])}`), which can run any code: "
            "expected `.safetensors`",
            hint="load the model with diffusers where you trust it and save it with "
            "`save_pretrained(..., safe_serialization=True)`",
        )
    raise SourceError(
        f"the component `{origin}` has no weights: expected a `.safetensors` file such as "
        f"`{origin}/diffusion_pytorch_model.safetensors`"
        + (f"; it holds {', '.join(f'`{shown(name)}`' for name in there[:_NAMED_AT_MOST])}" if there else "")
    )


def find_weight_files(folder: Path, origin: str) -> list[Path]:
    """The files of the best variant in a component's directory; none where there are no weights.

    Raises:
        SourceError: As ``weight_files``.
    """
    variants = _variants(folder, origin)
    for variant in _PREFERRED:
        if variant in variants:
            return variants[variant]()
    others = {name: files for name, files in variants.items() if name != _LAST} or variants
    if len(others) > 1:
        raise SourceError(
            f"the weights of `{origin}` are there as {', '.join(f'`{shown(name)}`' for name in sorted(others))}: "
            "expected one of them, or a file without such a name",
            hint="move the others away",
        )
    return next((files() for files in others.values()), [])


def _variants(folder: Path, origin: str) -> dict[str, Callable[[], list[Path]]]:
    """What finds the files of each variant, by its name; the plain one's is empty.

    Of a variant that is not taken no weights are read: its shards may be missing, its files pointers. An index whose
    shards are all missing is none, where there are others.
    """
    names = names_in(folder / origin)
    single: dict[str, list[str]] = {}
    shards: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for name in names:
        if (match := _NAME.fullmatch(name)) is None or not is_regular(folder / origin / name):
            continue
        variant = match["variant"] or match["before"] or match["after"] or ""
        if match["shard"] is None:
            single[variant] = [name]
        else:
            shards.setdefault(variant, []).append(name)
            counts[variant] = max(counts.get(variant, 0), int(match["shards"]))
    complete = {variant: files for variant, files in shards.items() if len(files) == counts[variant]}
    indices = {match["variant"] or "": name for name in names if (match := _INDEX.fullmatch(name))}
    if complete or single:  # else what is missing is told
        indices = {key: name for key, name in indices.items() if key in shards or _has_shards(folder, origin, name)}
    return {
        **{variant: partial(_all, folder, origin, files) for variant, files in complete.items()},
        **{variant: partial(_indexed, folder, origin, name) for variant, name in indices.items()},
        **{variant: partial(_all, folder, origin, files) for variant, files in single.items()},
    }


def _has_shards(folder: Path, origin: str, index: str) -> bool:
    """Whether one of an index's files at least is there, or the index is none: that is told where it is taken."""
    try:
        return any((folder / origin / name).exists() for name in _shards(folder, origin, index))
    except SourceError:
        return True


def _indexed(folder: Path, origin: str, index: str) -> list[Path]:
    return _all(folder, origin, _shards(folder, origin, index))


def _shards(folder: Path, origin: str, index: str) -> list[str]:
    shards = read_json(folder, f"{origin}/{index}").get("weight_map")
    if not (isinstance(shards, dict) and shards and all(isinstance(shard, str) for shard in shards.values())):
        raise SourceError(
            f"`{origin}/{index}` does not say which file holds which tensor: expected names by name in `weight_map`"
        )
    return sorted({Path(shard).name for shard in shards.values()})  # they lie beside their index


def _all(folder: Path, origin: str, names: list[str]) -> list[Path]:
    files = []
    for name in names:
        if (path := find_file(folder, f"{origin}/{name}")) is None:
            raise SourceError(
                f"the weights of `{origin}` are not complete: `{shown(name)}` is missing",
                hint="download the model again, or the file that is missing",
            )
        files.append(path)
    return files


def _is_ir(name: str, there: list[str]) -> bool:
    """Whether a ``.bin`` holds the weights of an OpenVINO graph and no pickle."""
    return Path(name).with_suffix(".xml").name in there
