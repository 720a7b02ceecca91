"""A model of the hub: from the hub, from its cache, or a sentence at once."""

from __future__ import annotations

import importlib.util
import socket
import sys
import threading
from types import SimpleNamespace

import pytest

from edgediff_runtimes import hub
from edgediff_runtimes.errors import HubError
from edgediff_runtimes.hub import is_hub_name, snapshot


class RepositoryNotFoundError(Exception):
    """As the client names it."""


@pytest.fixture
def client(monkeypatch, tmp_path):
    """A client that notes what it is asked for; an empty cache; and no hub."""
    asked = []

    def snapshot_download(name, **options):
        asked.append((name, options))
        if failure := client.failure:
            raise failure
        return str(tmp_path / "fetched")

    client = SimpleNamespace(snapshot_download=snapshot_download, asked=asked, failure=None, __spec__=object())
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(hub.urllib.request, "getproxies", dict)
    return client


@pytest.fixture
def server(monkeypatch, client):
    """Something that takes connections where the hub should be."""
    assert client
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listening.getsockname()[1]}")
        yield


@pytest.mark.usefixtures("server")
def test_what_the_hub_has_is_fetched(client, tmp_path):
    assert snapshot("owner/model", allow=("*.json",), ignore=("*.bin",)) == tmp_path / "fetched"
    options = {"allow_patterns": ["*.json"], "ignore_patterns": ["*.bin"], "local_files_only": False}
    assert client.asked == [("owner/model", options)]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (RepositoryNotFoundError("404"), "the hub has no such model or does not show it without an account"),
        (
            RuntimeError("the disk\x1b is full\nat byte 7"),
            "the hub's client failed (RuntimeError: the disk\\x1b is full)",
        ),
        (OSError(), "the hub's client failed (OSError)"),
    ],
)
def test_what_the_client_raises_is_one_sentence(client, failure, reason):
    client.failure = failure
    with pytest.raises(HubError) as caught:
        snapshot("owner/model", allow=())
    assert caught.value.reason == reason


def test_without_a_hub_the_client_is_not_even_imported(client):
    with pytest.raises(HubError, match="`owner/model` cannot be fetched: the hub cannot be reached"):
        snapshot("owner/model", allow=())
    assert client.asked == []


def test_a_name_that_is_looked_up_for_ever_is_not_waited_for(client, monkeypatch):
    never = threading.Event()

    def connect(*_, **__):
        never.wait()
        raise OSError

    monkeypatch.setattr(hub.socket, "create_connection", connect)
    monkeypatch.setattr(hub, "_PATIENCE_S", 0.01)
    with pytest.raises(HubError, match="cannot be reached"):
        snapshot("owner/model", allow=())
    never.set()
    assert client.asked == []


def test_without_a_hub_its_cache_is_looked_into(client, tmp_path):
    (tmp_path / "cache" / "models--owner--model").mkdir(parents=True)
    assert snapshot("owner/model", allow=()) == tmp_path / "fetched"
    assert client.asked[0][1]["local_files_only"] is True


def test_offline_is_offline(client, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub, "_reached", lambda: pytest.fail("nobody may be called"))
    with pytest.raises(HubError, match="it is not in the hub's cache, and HF_HUB_OFFLINE is set"):
        snapshot("owner/model", allow=())
    assert client.asked == []


def test_without_the_client_its_install_line_is_given(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(HubError, match="the client of the Hugging Face hub is not installed") as caught:
        snapshot("owner/model", allow=())
    assert caught.value.hint == "pip install huggingface_hub"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("owner/model", True),
        ("a.b/c-d_e", True),
        ("_o/0", True),
        ("model", False),
        ("./a/b", False),
        ("/a/b", False),
        ("a/b/c", False),
    ],
)
def test_names_of_the_hub(text, is_one):
    assert is_hub_name(text) == is_one


@pytest.mark.parametrize(
    "text", ["./x", "../x", "x/..", "x/.", "-x/y", "x/-y", "/x", "x/", "x/y/z", "x", ".x/y", "~/x"]
)
def test_paths_are_no_names_of_the_hub(text):
    assert not is_hub_name(text)
