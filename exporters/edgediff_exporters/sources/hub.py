"""A model on the Hugging Face hub as a source. Pickles are never fetched."""

from __future__ import annotations

import os
import re
from pathlib import Path

from edgediff_exporters.sources.base import MODEL_INDEX
from edgediff_runtimes.errors import SourceError

_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_CONFIGS = (MODEL_INDEX, "README.md", "LICENSE*", "*/*.json", "tokenizer*/*.txt")
_WEIGHTS = "*/*.safetensors"
# Training leftovers and second copies, which many repositories carry beside the weights.
_SECOND_COPIES = ("*.non_ema.*", "*.fp16.*", "*safety_checker/*")


def is_hub_name(text: str) -> bool:
    """Whether a text could name a model on the hub: ``owner/model``."""
    return _NAME.fullmatch(text) is not None


def fetch(name: str, *, with_weights: bool) -> Path:
    """Fetch a model, or find it in the hub's own cache.

    ``HF_HUB_OFFLINE=1`` uses the cache alone.

    Args:
        name: ``owner/model``.
        with_weights: Whether its weights are wanted, or only its configs and tokenizer.

    Returns:
        A directory in diffusers' layout.

    Raises:
        SourceError: There is no such model, or neither the hub nor a cached copy can be reached.
    """
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only this source needs it

    patterns = [*_CONFIGS, *([_WEIGHTS] if with_weights else [])]
    try:
        folder = Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=list(_SECOND_COPIES)))
        if with_weights and not any(folder.glob("unet/*.safetensors")):  # published in half precision only
            folder = Path(snapshot_download(name, allow_patterns=[_WEIGHTS], ignore_patterns=["*.non_ema.*"]))
    except (OSError, ValueError) as error:  # the hub's errors are OSErrors or ValueErrors, whatever the transport
        raise SourceError(f"`{name}` {_reason(error)}", hint=_HINT) from error
    return folder


_HINT = "give a local directory, or download the model where the hub can be reached and copy it here"


def _reason(error: Exception) -> str:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return "is no local path, and is not in the hub's cache (HF_HUB_OFFLINE is set)"
    if type(error).__name__ in ("RepositoryNotFoundError", "GatedRepoError"):
        return "is no local path, and the hub has no such model or does not show it without an account"
    return "is no local path, and the Hugging Face hub cannot be reached"
