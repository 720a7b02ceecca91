"""What PyInstaller must know to put edgediff into an app: it finds this folder by the entry point ``pyinstaller40``.

The ``hook-*.py`` files are read by PyInstaller while it builds, each where the app imports the module of that name.
They name what no import statement does: modules that are imported by name when they are needed, and files that are
data. ``docs/embedding.md`` has the steps and what comes out; ``benchmarks/freezing/`` freezes an app and runs it.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["hook_folders"]


def hook_folders() -> list[str]:
    """Folders with hooks, for PyInstaller."""
    return [str(Path(__file__).parent)]
