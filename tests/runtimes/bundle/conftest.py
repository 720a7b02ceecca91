"""What lies in a bundle in place of what should: files that may not be read, pointers."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def pointer():
    """A pointer of git-lfs."""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 492265168\n"


@pytest.fixture
def forbid(monkeypatch):
    """Forbids one file or folder to be read, also for a user to whom nothing is forbidden."""

    def forbid(place):
        def refusing(method):
            def refused(path, *args, **options):
                if path == place:
                    raise PermissionError(13, "Permission denied", str(path))
                return method(path, *args, **options)

            return refused

        monkeypatch.setattr(Path, "open", refusing(Path.open))
        monkeypatch.setattr(Path, "iterdir", refusing(Path.iterdir))

    return forbid
