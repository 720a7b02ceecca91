"""The settings of a picture as one text, as AUTOMATIC1111's web UI writes it and most galleries read it.

The prompt, a line ``Negative prompt: ...``, and a last line of ``Name: value`` pairs, in which a value with a comma, a
colon or a line break is a JSON string (``modules/infotext_utils.py`` of stable-diffusion-webui).
"""

from __future__ import annotations

import json
import re
from typing import Any

# Extensions of the web UI put what only they understand into a pair of their own; so do we.
_OURS = "edgediff"
_LAST = re.compile(rf'(?:^|, ){_OURS}: ("(?:[^"\\]|\\.)*")$')


def infotext(metadata: dict[str, Any], *, whole: bool = False) -> str:
    """What a picture was drawn with, for other programs.

    Args:
        metadata: As ``Result.metadata`` gives it; what is not there is left out.
        whole: Also all of the metadata, in a pair of its own, for ``metadata_in``.
    """
    settings = metadata.get("settings") or {}
    size = f"{settings['width']}x{settings['height']}" if settings.keys() >= {"width", "height"} else None
    pairs = {
        "Steps": settings.get("steps"),
        "Sampler": settings.get("sampler"),
        "CFG scale": settings.get("guidance"),
        "Seed": settings.get("seed"),
        "Size": size,
        "Model": metadata.get("bundle"),
        "Variation seed": settings.get("variation_seed"),
        "Variation seed strength": settings.get("variation_strength"),
        "Denoising strength": settings.get("strength"),
        "Hires upscale": settings.get("enlarge"),
        "Clip skip": settings.get("clip_skip"),
        "Decoder": settings.get("decoder"),
        "Version": "edgediff",
    }
    last = ", ".join(f"{name}: {_quoted(value)}" for name, value in pairs.items() if value is not None)
    if whole:
        # ASCII, so that no program on the way has to know an encoding
        last += f", {_OURS}: {json.dumps(json.dumps(metadata))}"
    negatives = [f"Negative prompt: {text}" for text in settings.get("negative_prompts") or () if text]
    return "\n".join([*(settings.get("prompts") or ()), *negatives, last])


def metadata_in(text: str) -> str | None:
    """The JSON text of the metadata in an ``infotext``; None where it has none."""
    found = _LAST.search(text.rpartition("\n")[2])
    if found is None:
        return None
    try:
        inner: str = json.loads(found[1])
    except ValueError:
        return None
    return inner


def _quoted(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if any(sign in text for sign in ",:\n") else text
