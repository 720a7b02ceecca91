"""The manifest of a directory that has none: one that optimum-onnx or optimum-intel exported.

Such a directory holds diffusers' configs beside the graphs, which say all that a run needs: its family makes the recipe
from them. What only an export can know (hashes, measured errors, shapes of inputs) stays empty.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from edgediff_runtimes.bundle.file_entry import FileEntry
from edgediff_runtimes.bundle.manifest import Component, Manifest, Provenance, Tokenizer
from edgediff_runtimes.bundle.tokenizer_kinds import kind_of
from edgediff_runtimes.errors import BundleError
from edgediff_runtimes.families import Configs, family_of
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.untrusted.bounds import JSON_BYTES, TOKENIZER_BYTES, TOKENS, Bound
from edgediff_runtimes.untrusted.documents import names_in, read_json, reading
from edgediff_runtimes.untrusted.links import find, locate

GRAPH_FILES = {"onnx": "model.onnx", "openvino": "openvino_model.xml"}
_MIN_TOKENS = 2
_MAX_TOKENS = {"clip": 77}  # its position table has no more; where others are cut off, a family's recipe says


def derive_manifest(root: Path) -> Manifest:
    """Derive the manifest of a directory in optimum's layout.

    Raises:
        BundleError: The family is unknown or a component is missing.
        ManifestError: A config says what it must not.
        ComponentFileError: A config cannot be read.
    """
    index = _read_config(root, "model_index.json").values
    scheduler = _read_config(root, "scheduler/scheduler_config.json", infinities=True)
    configs = Configs(index, dict(_configs(root)), scheduler.values)
    family = family_of(configs.class_name)
    whole = family.recipe(configs)
    found = {use.role: _derive_component(root, use.role) for use in whole.graphs()}
    components = {role: component for role, component in found.items() if component is not None}
    recipe = whole.only(tuple(components))
    for use in recipe.graphs():
        if use.role not in components:
            files = " or ".join(f"`{use.role}/{name}`" for name in GRAPH_FILES.values())
            raise BundleError(f"`{use.role}` is missing: expected {files}")
    scheduler.string("_class_name")
    if (doubt := family.doubts(configs)) is not None:
        warnings.warn(
            f"the configs of `{root.name}` do not tell how many steps it takes: {doubt}; give steps and guidance",
            stacklevel=2,
        )
    return Manifest(
        family=family.name,
        recipe=recipe,
        components=components,
        scheduler=family.scheduler(configs),
        tokenizers=tuple(_derive_tokenizer(root, name) for name in recipe.tokenizers),
        defaults=family.defaults(configs),
        provenance=Provenance(source=root.name),
    )


def _configs(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The configs of the folders that have one; of schedulers beside the model's own, theirs."""
    for name in names_in(root, name=root.name):
        for file in ("config.json", "scheduler_config.json"):
            if name != "scheduler" and (root / name).is_dir() and find(root, f"{name}/{file}") is not None:
                yield name, dict(_read_config(root, f"{name}/{file}", infinities=file != "config.json").values)


def _derive_component(root: Path, role: str) -> Component | None:
    for format_, name in GRAPH_FILES.items():
        if find(root, f"{role}/{name}") is not None:
            names = [name, *(other for other in names_in(root / role, name=role) if _is_weights(other, name))]
            found = {path: find(root, path) for path in (f"{role}/{n}" for n in names)}
            files = tuple(_derive_entry(path, file) for path, file in found.items() if file)
            return Component(format=format_, precision="unknown", files=files)
    return None


def _derive_entry(path: str, file: Path) -> FileEntry:
    with reading(path):
        return FileEntry(path, file.stat().st_size, None)


def _is_weights(name: str, graph: str) -> bool:
    return name != graph and PurePath(name).suffix in {".onnx_data", ".data", ".bin"}


def _derive_tokenizer(root: Path, name: str) -> Tokenizer:
    config, whole = f"{name}/tokenizer_config.json", f"{name}/tokenizer.json"
    # A template for chats, which some tokenizers carry, may hold any characters.
    values = _read_config(root, config, printable=False).values if find(root, config) else {}
    kind = kind_of(
        values, name=config, whole=lambda: _read_config(root, whole, printable=False, bound=TOKENIZER_BYTES).values
    )
    limit, most = values.get("model_max_length"), _MAX_TOKENS.get(kind, TOKENS.most)
    # Some tokenizer configs carry 1e30 for "no limit".
    if not isinstance(limit, int) or isinstance(limit, bool) or not _MIN_TOKENS <= limit <= most:
        limit = most
    return Tokenizer(name, limit, kind=kind)


def _read_config(
    root: Path, where: str, *, infinities: bool = False, printable: bool = True, bound: Bound = JSON_BYTES
) -> Fields:
    path = locate(root, where)
    return Fields(read_json(path, name=where, bound=bound, infinities=infinities, printable=printable), where)
