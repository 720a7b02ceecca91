"""What to type for packages that are missing: the packages themselves, for no index may have edgediff."""

from __future__ import annotations

import re
from importlib import metadata

_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")
_NAME = re.compile(r"[\w.-]+")


def install_line(extra: str | None) -> str:
    """The ``pip install`` line for what an extra needs and is not there, or else for all that it needs.

    Args:
        extra: An extra of edgediff's, or None for what the base install needs.
    """
    try:
        declared = metadata.requires("edgediff") or []
    except metadata.PackageNotFoundError:  # frozen, or run out of its folder
        declared = []
    wanted = [text.partition(";")[0].strip() for text in declared if _extra_of(text) == extra]
    missing = [requirement for requirement in wanted if not _is_there(requirement)]
    names = missing or wanted or ["edgediff" if extra is None else f"edgediff[{extra}]"]
    return "pip install " + " ".join(f"'{name}'" for name in names)


def _extra_of(requirement: str) -> str | None:
    found = _EXTRA.search(requirement.partition(";")[2])
    return None if found is None else found[1]


def _is_there(requirement: str) -> bool:
    name = _NAME.match(requirement)
    try:
        metadata.version(name[0] if name else requirement)
    except metadata.PackageNotFoundError:
        return False
    return True
