"""A model on the Hugging Face hub as a source. Pickles are never fetched."""

from __future__ import annotations

from pathlib import Path

from edgediff_exporters.sources.base import MODEL_INDEX
from edgediff_runtimes.errors import HubError, SourceError
from edgediff_runtimes.hub import snapshot

# The last of each: a lone network's, beside the index.
_CONFIGS = (
    MODEL_INDEX,
    "README.md",
    "LICENSE*",
    "*/*.json",
    "tokenizer*/*.txt",
    "tokenizer*/*.model",
    "config.json",
    "scheduler_config.json",
)
_WEIGHTS = ("*/*.safetensors", "diffusion_pytorch_model.safetensors")
_NETWORKS = ("unet/*.safetensors", "transformer/*.safetensors", _WEIGHTS[-1])
# Training leftovers and second copies, which many repositories carry beside the weights.
_SECOND_COPIES = ("*.non_ema.*", "*.fp16.*", "*safety_checker/*")


def fetch(name: str, *, with_weights: bool) -> Path:
    """Fetch a model, or find it in the hub's own cache.

    Args:
        name: ``owner/model``.
        with_weights: Whether its weights are wanted, or only its configs and tokenizer.

    Returns:
        A directory in diffusers' layout.

    Raises:
        SourceError: There is no such model, or neither the hub nor a cached copy can be reached.
    """
    patterns = [*_CONFIGS, *(_WEIGHTS if with_weights else [])]
    try:
        folder = snapshot(name, allow=patterns, ignore=_SECOND_COPIES)
        if with_weights and not any(path for pattern in _NETWORKS for path in folder.glob(pattern)):
            # published in half precision only
            folder = snapshot(name, allow=_WEIGHTS, ignore=["*.non_ema.*"])
    except HubError as error:
        raise SourceError(f"`{name}` is no local path, and {error.reason}", hint=error.hint or _HINT) from error
    return folder


_HINT = "give a local directory, or download the model where the hub can be reached and copy it here"
