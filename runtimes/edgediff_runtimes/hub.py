"""Models on the Hugging Face hub: fetched where it can be reached, answered at once where it cannot.

Its client, ``huggingface_hub``, is not a part of a base install and needs no torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import socket
import threading
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from edgediff_runtimes.errors import HubError, shown

_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")  # no `./model`, `../model` or `model/..`
_PATIENCE_S = 0.7  # for the hub to take a connection; the client's own attempts go on for much longer
_DEFAULT_ENDPOINT = "https://huggingface.co"


def is_hub_name(text: str) -> bool:
    """Whether a text could name a model on the hub: ``owner/model``. Paths with ``.`` or ``..`` in them do not."""
    return _NAME.fullmatch(text) is not None


def snapshot(name: str, *, allow: Sequence[str], ignore: Sequence[str] = ()) -> Path:
    """Fetch files of a model, or find them in the hub's own cache.

    ``HF_HUB_OFFLINE=1`` uses the cache alone, ``HF_ENDPOINT`` names another hub.

    Args:
        name: ``owner/model``.
        allow: Patterns of the files that are wanted.
        ignore: Patterns of those that are not.

    Returns:
        The directory with these files, in the hub's cache.

    Raises:
        HubError: The client is not installed, there is no such model, or neither the hub nor a cached copy can be had.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise HubError(name, "the client of the Hugging Face hub is not installed", hint="pip install huggingface_hub")
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    reached = not offline and _reached()
    reason = "it is not in the hub's cache, and HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
    if not reached and not (_cache() / f"models--{name.replace('/', '--')}").is_dir():
        raise HubError(name, reason, hint=None)
    client = importlib.import_module("huggingface_hub")  # takes a second
    patterns = {"allow_patterns": list(allow), "ignore_patterns": list(ignore)}
    try:
        return Path(client.snapshot_download(name, local_files_only=not reached, **patterns))
    except Exception as error:  # the client passes on what its transport of the day raises
        raise HubError(name, _reason(error) if reached else reason, hint=None) from error


def in_cache(path: Path) -> bool:
    """Whether a directory lies in the client's cache, whose files are not to be written to."""
    return path.resolve().is_relative_to(_cache().resolve())


def _reason(error: Exception) -> str:
    """Why a hub that takes connections did not give a model."""
    if type(error).__name__ in ("RepositoryNotFoundError", "GatedRepoError"):
        return "the hub has no such model or does not show it without an account"
    said = (str(error).strip().splitlines() or [""])[0]
    return f"the hub's client failed ({type(error).__name__}{said and ': '}{shown(said)})"


def _cache() -> Path:
    """Where the client keeps what it fetched, as its own settings say."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(variable):
            return Path(os.path.expandvars(folder)).expanduser()
    home = os.environ.get("HF_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return Path(os.path.expandvars(home)).expanduser() / "hub"


def _reached() -> bool:
    """Whether the hub, or the proxy on the way to it, takes a connection."""
    answered = threading.Event()
    threading.Thread(target=_connect, args=(answered,), daemon=True).start()
    return answered.wait(_PATIENCE_S)


def _connect(answered: threading.Event) -> None:
    """Connect, in a thread of its own: names are looked up without a time limit."""
    endpoint = os.environ.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT
    scheme = urlsplit(endpoint).scheme or "https"
    address = urlsplit(urllib.request.getproxies().get(scheme, endpoint))
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
        with socket.create_connection((address.hostname or "", port), timeout=_PATIENCE_S):
            answered.set()
    except (OSError, ValueError):  # nobody there, or no address
        return
