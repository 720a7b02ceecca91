"""Seeded mutations of JSON values, and of the bytes they are written as."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# Stand for texts that ``json.dumps`` does not write.
_RAW = {
    "«inf»": "1e999",
    "«-inf»": "-Infinity",
    "«nan»": "NaN",
    "«digits»": "9" * 5000,
    "«many digits»": "1" * 4200,
    "«deep»": '{"a":' * 600 + "0" + "}" * 600,
    "«deeper»": "[" * 20_000 + "]" * 20_000,
}
ODD: tuple[Any, ...] = (
    *_RAW,
    *("", " ", "\0", "\x1b[31m", "\ud800", "unet/\udcff", "\u202e", "é", "x" * 300, "x/" * 3000, "A" * 10**5),
    *("../../etc/passwd", "/etc/passwd", "..", ".", "a/../../b", "..\\..\\x", "C:\\x", "~root", "file:///etc/passwd"),
    *("unet/../unet/model.onnx", "unet//model.onnx", "./unet/model.onnx", "unet/model.onnx\0.png", "CON", "nan"),
    *(0, 1, -1, 2, 3, 7, 77, 10**6, 10**9, 2**31, 2**63, -(2**63), 2**64, 10**30, 10**308, 10**309, 10**400),
    *(0.0, -0.0, 0.5, 1.5, -1.5, 1e-320, 1e-300, 1e300, 1e308, -1e308, True, False, None),
    *([], {}, [[]], [{}], {"": {}}, [None], ["a"], [0], [1e300], [-1], [1, 2, 3], [True], [10**400]),
    *("epsilon", "v_prediction", "sample", "linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace", "exp"),
    *("leading", "trailing", "linspace", "dpmsolver++", "sde-dpmsolver++", "midpoint", "heun", "zero", "sigma_min"),
    *("onnx", "openvino", "stable-diffusion", "fp16", "int8", "float64", "uint8", "bool", "bf16", "graph", "affine"),
)


@pytest.fixture
def mutated() -> Callable[[Any, random.Random], bytes]:
    """What changes a JSON value and writes it."""
    return _mutated


def _mutated(values: Any, rng: random.Random) -> bytes:
    """The bytes of a JSON file whose values were changed in one to five places, and perhaps its bytes too."""
    values = copy.deepcopy(values)
    for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        if places := list(_places(values)):
            _change(*rng.choice(places), rng, places)
    text = json.dumps(values)
    for name, raw in _RAW.items():
        text = text.replace(json.dumps(name), raw)
    data = text.encode()
    kind = rng.random()
    if kind < 0.02:
        return data[: rng.randrange(len(data))]
    if kind < 0.05:
        return data[: (at := rng.randrange(len(data)))] + bytes([rng.randrange(256)]) + data[at + 1 :]
    return b"\xef\xbb\xbf" + data if kind < 0.06 else data


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder with the key or index of each of its first members."""
    members = list(value.items()) if isinstance(value, dict) else list(enumerate(value[:6]))
    for key, item in members[:40]:
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _change(holder: Any, key: Any, rng: random.Random, places: list[tuple[Any, Any]]) -> None:
    old, kind = holder[key], rng.random()
    if kind < 0.6:
        holder[key] = copy.deepcopy(rng.choice(ODD))
    elif kind < 0.7:
        del holder[key]
    elif kind < 0.8:
        other, name = rng.choice(places)
        if isinstance(other, dict) and name in other:
            holder[key] = copy.deepcopy(other[name])
    elif kind < 0.86 and isinstance(holder, dict):
        holder[rng.choice([odd for odd in ODD if isinstance(odd, str)])] = holder.pop(key)
    elif kind < 0.9:
        holder[key] = [old, copy.deepcopy(old)]
    elif isinstance(old, int | float) and not isinstance(old, bool):
        holder[key] = old * (rng.choice((-1, 2, 10, 1000, 0.001, 0.5)) if abs(old) < 1e300 else 2)
    else:
        holder[key] = str(old)[:200]
