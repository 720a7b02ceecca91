"""LoRA files, and what several of them do to the weights of a bundle's components."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np

from edgediff_runtimes.adapters.file import AdapterFile, fingerprint_of
from edgediff_runtimes.adapters.formulas import Layer
from edgediff_runtimes.adapters.names import component_of, split_key
from edgediff_runtimes.adapters.places import Place, Places
from edgediff_runtimes.errors import AdapterError, SettingError, shown
from edgediff_runtimes.fields import is_finite
from edgediff_runtimes.tensors import Array, Floats
from edgediff_runtimes.weights import StoredWeights

Loras: TypeAlias = (
    Mapping[Any, float] | Sequence[Any]
)  # {FILE: scale}, or files and (FILE, scale), in the order that they are applied in
_EXPECTED = "a mapping of files to scales, such as {'style.safetensors': 0.8}, or a list of files"
# Widths of the text that a network attends to, and whose they are.
_TEXT_WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}
_MARKS = (
    ("single_transformer_blocks", "FLUX"),
    ("double_blocks", "FLUX"),
    ("single_blocks", "FLUX"),
    ("joint_blocks", "Stable Diffusion 3"),
    ("joint_transformer_blocks", "AuraFlow"),
    ("blocks_0_cross_attn", "Wan"),
)


@final
@dataclass(frozen=True, slots=True)
class AppliedLora:
    """A LoRA as it was applied.

    Attributes:
        name: The file's name, without folders.
        sha256: Of the file.
        scale: The user's scale.
        layers: How many of its layers were bound, by component.
        unbound: How many were not, because the bundle has no such layers.
    """

    name: str
    sha256: str
    scale: float
    layers: dict[str, int]
    unbound: int = 0


@final
@dataclass(frozen=True, slots=True)
class LoraFile:
    """An opened LoRA.

    Attributes:
        file: Its file.
        layers: By name as the file has it: the tensors' keys by slot.
    """

    file: AdapterFile
    layers: Mapping[str, Mapping[str, str]]

    @classmethod
    def open(cls, path: str | Path) -> LoraFile:
        """Open a file and look at all of it.

        Raises:
            AdapterError: It cannot be read, is no LoRA, has a tensor that is not understood, or one that is not finite.
        """
        file = AdapterFile.open(path)
        layers: dict[str, dict[str, str]] = {}
        for key in file.tensors:
            found = split_key(key)
            if found is None or found[1] in ("", "bias"):
                what = "a bias" if found else "no piece of a LoRA, LoHa, LoKr or DoRA"
                raise AdapterError(f"`{file.name}` holds `{shown(key)}`, which is {what}: expected weights of layers")
            layers.setdefault(found[0], {})[found[1]] = key
        if not layers:
            raise AdapterError(f"`{file.name}` holds no tensors: expected those of a LoRA")
        for key in file.tensors:
            file.read(key)
        return cls(file, layers)

    @property
    def family(self) -> str | None:
        """What it looks like it was trained for, where that can be told."""
        stated = self.file.metadata.get("modelspec.architecture", "").removesuffix("/lora")
        if stated:
            return shown(stated, most=60)
        for mark, family in _MARKS:
            if any(mark in name.replace(".", "_") for name in self.layers):
                return family
        for name, slots in self.layers.items():
            if name.endswith(("attn2.to_k", "attn2_to_k")) and "down" in slots:
                shape = self.file.tensors[slots["down"]].shape
                return _TEXT_WIDTHS.get(shape[1]) if len(shape) > 1 else None
        return None

    def layer(self, name: str, place: Place, *, read: bool = True) -> Layer:
        """One of its layers.

        Args:
            name: As ``layers`` has it.
            place: What it changes.
            read: With its numbers; else with zeros in their place, for its shapes.
        """
        slots = self.layers[name]
        pieces = {
            slot: self.file.read(key) if read else np.broadcast_to(np.float32(0), self.file.tensors[key].shape)
            for slot, key in slots.items()
            if slot != "alpha"
        }
        config = self.file.stated("lora_adapter_metadata")
        config = config if isinstance(config, dict) else {}
        by_root = _stated(config, "use_rslora") is True
        return Layer(name, pieces, self._alpha(name, slots, config), by_root, place.rows, place.whole)

    def _alpha(self, name: str, slots: Mapping[str, str], config: Mapping[str, Any]) -> float | None:
        if "alpha" in slots:
            values = self.file.read(slots["alpha"])
            if values.size != 1:
                raise AdapterError(f"`{slots['alpha']}` of `{self.file.name}` has {values.size} numbers: expected one")
            return float(values.reshape(()))
        component, _, inner = name.partition(".")
        patterns = config.get(f"{component}.alpha_pattern", config.get("alpha_pattern"))
        for ending, own in patterns.items() if isinstance(patterns, dict) else ():
            if inner == ending or inner.endswith(f".{ending}"):
                return float(own) if is_finite(own) else None
        alpha = config.get(f"{component}.lora_alpha", config.get("lora_alpha"))
        return float(alpha) if is_finite(alpha) else None


def _stated(config: Mapping[str, Any], field_name: str) -> object:
    """A field of diffusers' metadata, which stands there with the component before it."""
    return next((value for key, value in config.items() if key.rpartition(".")[2] == field_name), None)


@final
@dataclass(frozen=True)
class LoraChange:
    """What LoRAs do to one component; see ``weights.WeightChange``.

    Attributes:
        layers: By parameter: the LoRAs that change it, the name of the layer in each, its place, and the scale.
        fingerprint: Of all of it.
    """

    layers: dict[str, list[tuple[LoraFile, str, Place, float]]] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """See ``WeightChange.fingerprint``."""
        facts = [
            (name, [(one.file.sha256, layer, by) for one, layer, _, by in all_]) for name, all_ in self.layers.items()
        ]
        return fingerprint_of(*facts)

    def tensors(self, stored: StoredWeights) -> Iterator[tuple[str, Array]]:
        """See ``WeightChange.tensors``."""
        for parameter in self.layers:
            weight = stored[parameter].read()
            yield from stored[parameter].write_changed(self.adapted(parameter, weight)).items()

    def adapted(self, parameter: str, weight: Floats) -> Floats:
        """A parameter with all LoRAs; each reckons from the base."""
        total, changes = weight.copy(), self.layers.get(parameter, ())
        with np.errstate(over="ignore", invalid="ignore"):  # told below, in a sentence
            for lora, layer, place, scale in changes:
                total += lora.layer(layer, place).difference(weight, scale)
        if not np.isfinite(total).all():
            names = ", ".join(f"`{lora.file.name}` at {scale:g}" for lora, _, _, scale in changes)
            raise AdapterError(
                f"the weight `{shown(parameter)}` is not finite with {names}: expected smaller scales or numbers"
            )
        return total


def read_loras(loras: Loras | None) -> list[tuple[str | Path, float]]:
    """Files and scales, in the order that they are applied in.

    Raises:
        SettingError: They are no files and numbers.
    """
    if loras is None:
        return []
    if isinstance(loras, str | bytes | os.PathLike) or not isinstance(loras, Mapping | Sequence):
        raise SettingError("loras", got=loras, expected=_EXPECTED)
    pairs = list(loras.items()) if isinstance(loras, Mapping) else [_pair(one) for one in loras]
    for path, scale in pairs:
        if not isinstance(path, str | os.PathLike):
            raise SettingError("loras", got=loras, expected=_EXPECTED)
        if not is_finite(scale):
            raise SettingError("loras", got=(path, scale), expected="a file and a scale that is a finite number")
    return [(path, float(scale)) for path, scale in pairs]


def _pair(one: Any) -> tuple[Any, Any]:  # noqa: ANN401 - of a caller
    return one if isinstance(one, tuple) and len(one) == 2 else (one, 1.0)  # noqa: PLR2004 - a file and its scale


def bind(
    loras: Iterable[tuple[LoraFile, float]], shapes: Mapping[str, Mapping[str, tuple[int, ...]]], *, network: str
) -> tuple[dict[str, LoraChange], tuple[AppliedLora, ...]]:
    """Find the parameters that LoRAs change.

    Args:
        loras: The LoRAs, and their scales.
        shapes: The shapes of the parameters that are there, by component and name.
        network: The component that a name without one is of.

    Returns:
        The change of every component that has one, and what was bound.

    Raises:
        AdapterError: A LoRA has no layer of these, or a layer that does not fit.
    """
    components = {role: Places.of(known) for role, known in shapes.items()}
    changes: dict[str, LoraChange] = {}
    applied = []
    for lora, scale in loras:
        counts: dict[str, int] = {}
        for layer in lora.layers:
            role, name = component_of(layer, shapes)
            role = role or network
            places = components[role].find(name) if role in components else ()
            if not places:
                continue
            counts[role] = counts.get(role, 0) + 1
            for place in places:
                try:
                    lora.layer(layer, place, read=False).check(shapes[role][place.parameter])
                except AdapterError as error:
                    message = f"`{lora.file.name}` does not fit: {error.sentence}"
                    raise AdapterError(message, hint=_hint(lora)) from error
                if scale:
                    change = changes.setdefault(role, LoraChange())
                    change.layers.setdefault(place.parameter, []).append((lora, layer, place, scale))
        if not counts:
            example = next(iter(lora.layers))
            raise AdapterError(
                f"`{lora.file.name}` changes no layer of this model: it has layers such as `{shown(example)}`, "
                f"{len(lora.layers)} in all",
                hint=_hint(lora),
            )
        unbound = len(lora.layers) - sum(counts.values())
        applied.append(AppliedLora(lora.file.name, lora.file.sha256, scale, counts, unbound))
    return changes, tuple(applied)


def _hint(lora: LoraFile) -> str | None:
    return None if lora.family is None else f"it looks like one for {lora.family}"
