"""Components of a source that come from elsewhere: another VAE, another text encoder, a part that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgediff_exporters.sources.base import MODEL_INDEX, Part, Source, tokenizer_of
from edgediff_exporters.sources.files import find_file, read_json, refusing_oddities
from edgediff_exporters.sources.layouts import SHARED
from edgediff_exporters.sources.originals.base import Original
from edgediff_exporters.sources.originals.latent_diffusion import LDM_VAE, clip, convert_vae, with_projection
from edgediff_exporters.sources.weight_files import find_weight_files, weight_files
from edgediff_exporters.weights import Weights, map_weights
from edgediff_runtimes.errors import HubError, SourceError
from edgediff_runtimes.hub import is_hub_name, snapshot

# What tells the class of a component, by the file that says it.
_CONFIG, _TOKENIZER_CONFIG = "config.json", "tokenizer_config.json"
_HUB_FILES = ("*.json", "*.safetensors", "*.txt", "spiece.model")
# A VAE as it was trained: inside a checkpoint, or alone. A CLIP without the projection that its config asks for.
_ORIGINALS: dict[str, tuple[Original, ...]] = {
    "vae": (*LDM_VAE, Original("", r"encoder\.down\.0\..*", convert_vae)),
    "text_encoder": (clip("", with_projection),),
}
# T5's encoder, version 1.1 XXL: the one in all models that have it, which its files without configs hold.
_T5_XXL = {"shared.weight": (32128, 4096), "encoder.block.23.layer.1.DenseReluDense.wo.weight": (4096, 10240)}


def with_components(source: Source, given: Mapping[str, str | Path]) -> Source:
    """A source with some components of others in place of its own, or beside them.

    Args:
        source: The source.
        given: By component: a directory with its config and weights, a directory or a hub name of a model that has it,
            or a ``.safetensors`` file with its tensors, to which the source's own config belongs. The tokenizer that
            lies beside a text encoder comes along where the source has none.

    Raises:
        SourceError: One of them is no such thing.
    """
    index, parts = dict(source.index), dict(source.replaced)
    for role, place in given.items():
        parts[role], settings = _part(source, role, place)
        index |= settings
        tokenizer = tokenizer_of(role)
        if tokenizer and tokenizer not in given and source.find(f"{tokenizer}/{_TOKENIZER_CONFIG}") is None:
            parts |= _tokenizer_beside(parts[role], tokenizer)
    index |= {role: _class_of(role, part) for role, part in parts.items()}
    return replace(source, index=index, replaced=parts)


def _part(source: Source, role: str, place: str | Path) -> tuple[Part, dict[str, Any]]:
    path = Path(place).expanduser()
    if path.is_file():
        return _of_file(source, role, path), {}
    name = path.name
    if not path.is_dir():
        if not is_hub_name(str(place)):
            raise SourceError(
                f"`{name}` of the component `{role}` is not there: expected a directory, a `.safetensors` file or a "
                "hub name like `owner/model`"
            )
        path, name = _fetched(str(place), role), str(place)
    return _of_directory(role, path.resolve(), name=name)


def _fetched(name: str, role: str) -> Path:
    folders = dict.fromkeys(filter(None, (role, _within(role), tokenizer_of(role))))
    patterns = [*_HUB_FILES, *(f"{folder}/{file}" for folder in folders for file in _HUB_FILES)]
    try:
        return snapshot(name, allow=patterns)
    except HubError as error:
        raise SourceError(f"`{name}` is no local path, and {error.reason}", hint=error.hint) from error


def _tokenizer_beside(encoder: Part, role: str) -> dict[str, Part]:
    """The tokenizer of a text encoder from elsewhere: in a directory beside it, or among its own files."""
    for inner in dict.fromkeys(filter(None, (tokenizer_of(encoder.inner), role, encoder.inner))):
        if find_file(encoder.root, f"{inner}/{_TOKENIZER_CONFIG}") is not None:
            return {role: Part(encoder.name, encoder.root, inner, lambda: Weights({}, ()), ())}
    return {}


def _within(role: str) -> str:
    """What a later stage's component is called in a model of that stage alone: ``unet`` for ``refiner_unet``."""
    return role.partition("_")[2] or role


def _of_directory(role: str, folder: Path, *, name: str) -> tuple[Part, dict[str, Any]]:
    for inner in dict.fromkeys((role, _within(role))):
        if _describes(folder, inner) is not None:
            return _in(folder, inner, name=name), _settings(folder, role, inner)
    if _describes(folder.parent, folder.name) is not None:
        return _in(folder.parent, folder.name, name=name), {}
    raise SourceError(f"`{name}` has no component `{role}`: expected `{_CONFIG}` in it, or `{role}/{_CONFIG}`")


def _describes(root: Path, inner: str) -> str | None:
    files = (file for file in (_CONFIG, _TOKENIZER_CONFIG) if find_file(root, f"{inner}/{file}") is not None)
    return next(files, None)


def _in(root: Path, inner: str, *, name: str) -> Part:
    return Part(
        name, root, inner, lambda: map_weights(weight_files(root, inner)), tuple(find_weight_files(root, inner))
    )


def _settings(folder: Path, role: str, inner: str) -> dict[str, Any]:
    """The settings of the model that a later stage's component comes from, with the stage before their names."""
    if inner == role or find_file(folder, MODEL_INDEX) is None:
        return {}
    stage = role.removesuffix(inner)
    index = read_json(folder, MODEL_INDEX)
    return {
        f"{stage}{key}": value
        for key, value in index.items()
        if not key.startswith("_") and isinstance(value, bool | int | float)
    }


def _of_file(source: Source, role: str, path: Path) -> Part:
    if path.suffix == ".gguf":
        raise SourceError(
            f"`{path.name}` of the component `{role}` is a GGUF file, whose weights are quantised in blocks: "
            "expected a `.safetensors` file",
            hint="get it in half precision or float8, and quantise with `precision`",
        )
    if path.suffix != ".safetensors":
        raise SourceError(f"`{path.name}` of the component `{role}` is no `.safetensors` file")
    root, inner = _described(source, role, path)

    def weights() -> Weights:
        mapped = map_weights([path])
        original = next((one for one in _ORIGINALS.get(role, ()) if one.within(mapped.tensors)), None)
        if original is None:
            return mapped
        part = {
            name.removeprefix(original.prefix): tensor
            for name, tensor in mapped.tensors.items()
            if name.startswith(original.prefix)
        }
        with refusing_oddities(f"`{role}/{_CONFIG}` of `{source.name}`, with the tensors of `{path.name}`,"):
            return Weights(original.convert(part, source.config(role)), mapped.maps)

    return Part(path.name, root, inner, weights, (path,))


def _described(source: Source, role: str, path: Path) -> tuple[Path, str]:
    """The directory with the config of a file's tensors: the source's own, or the shipped one of a known model."""
    root, inner = source.place(role)
    if find_file(root, f"{inner}/{_CONFIG}") is not None:
        return root, inner
    tensors = map_weights([path]).tensors
    if all(name in tensors and tuple(tensors[name].shape) == shape for name, shape in _T5_XXL.items()):
        return SHARED, "t5-xxl"
    raise SourceError(
        f"`{path.name}` holds weights only, and `{source.name}` has no `{role}/{_CONFIG}` for them: expected a "
        "directory with both"
    )


def _class_of(role: str, part: Part) -> list[str | None]:
    """A component's entry in a model's index: its library and its class."""
    if role.startswith("tokenizer"):
        return ["transformers", read_json(part.root, f"{part.inner}/{_TOKENIZER_CONFIG}").get("tokenizer_class")]
    config = read_json(part.root, f"{part.inner}/{_CONFIG}")
    architectures = config.get("architectures")
    if isinstance(architectures, list) and architectures:
        return ["transformers", architectures[0]]
    return ["diffusers", config.get("_class_name")]
