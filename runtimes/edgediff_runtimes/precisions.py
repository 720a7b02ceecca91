"""Precisions as rows of a table: what is stored, what is computed, what an export of it needs, how it is executed.

- ``fp32``: weights and arithmetic in float32.
- ``fp16``: weights and arithmetic in float16. Inputs and outputs stay float32 and the graph converts, so that every
  runtime feeds all precisions alike.
- ``bf16``: executed in bfloat16 by a device that can; the graph itself is stored in half precision.
- ``w16``: matrices stored as float16, arithmetic in float32. Half the size on disk; the engine widens them at load.
- ``w8``: matrices stored as int8 with a scale per output channel, arithmetic in float32. A quarter of the size.
- ``w4``: products' weights in 4 bits with a scale per group, all others as ``w8``; arithmetic in float32.
- ``int8``: weights and activations of convolutions and products in 8 bits, integer arithmetic.
- ``mixed``: ``int8``, where a search leaves the layers that hurt most in float.
- ``a16w8``: weights of convolutions and products in 8 bits, their activations in 16: for neural processors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

Storage: TypeAlias = Literal["as computed", "float16", "int8", "int4"]
# What a component is there for: computed once before the loop, at every call, to make or read pictures, or to make
# them where the caller wants the small decoder.
Duty: TypeAlias = Literal["condition", "network", "picture", "tiny"]


@final
@dataclass(frozen=True, slots=True)
class Precision:
    """A precision.

    Attributes:
        name: What a user calls it.
        executions: What floats are computed in: the first that a device has.
        reason: Why.
        storage: How matrices are stored.
        half: Whether the graph itself computes in float16.
        calibrated: Whether an export of it needs calls to calibrate with.
        searched: Whether an export of it searches for the layers to leave in float.
        straight: Whether an ONNX graph of it is written from the model alone, not from a graph in fp32.
        formats: The formats that have it.
        tolerance: The largest allowed max |graph - module| / max |module| of a graph that is written straight. Measured
            on trained and random weights: fp32 stays under 1e-5; half precision has 11 bits, and a deep network loses
            a few of them; ``w8`` measured 0.7e-2 to 4.2e-2, ``w4`` 6.5e-2 to
            2.7e-1, the last of a random transformer of 57 blocks.
        suited: What it means for a component when it is asked for as a whole, by the component's duty. An encoder of
            conditions runs once per picture: there is nothing to win by rounding its activations, and on trained models
            they cost as much as half of all that int8 costs. What makes pictures has hardly any products for ``w4``,
            and nothing to search in. A small decoder has no calls to calibrate with.
        hint: What can be done where a format lacks it.
    """

    name: str
    executions: tuple[str, ...]
    reason: str
    storage: Storage = "as computed"
    half: bool = False
    calibrated: bool = False
    searched: bool = False
    straight: bool = False
    formats: tuple[str, ...] = ("onnx", "openvino")
    tolerance: float | None = None
    suited: Mapping[Duty, str] = field(default_factory=dict)
    hint: str | None = None

    @property
    def widened(self) -> bool:
        """Whether weights in whole numbers are only stored so: they become floats before anything is computed."""
        return self.storage in ("int8", "int4") and not self.calibrated


_EXACT = ("f32",)
_HALF = ("bf16", "f16", "f32")
_ALL = ("onnx", "openvino", "ncnn")
_STORED = "only the stored weights are rounded: arithmetic stays exact"
_ROWS = (
    Precision(
        "fp32",
        _EXACT,
        "exported to be exact: a faster execution loses what was asked for",
        straight=True,
        formats=_ALL,
        tolerance=1e-4,
    ),
    Precision(
        "fp16",
        ("f16", "bf16", "f32"),
        "exported for half precision, and checked in it",
        half=True,
        straight=True,
        formats=_ALL,
        tolerance=3e-2,
    ),
    Precision(
        "bf16",
        _HALF,
        "asked for bfloat16, whose range is that of f32: so before float16",
        storage="float16",
        formats=("openvino",),
        hint='`format="openvino"` has it: it is a way of executing that the CPU of ONNX Runtime has not',
    ),
    Precision("w16", _EXACT, _STORED, storage="float16", straight=True, formats=_ALL, tolerance=1e-2),
    Precision("w8", _EXACT, _STORED, storage="int8", straight=True, tolerance=1e-1),
    Precision(
        "w4",
        _EXACT,
        _STORED,
        storage="int4",
        straight=True,
        tolerance=5e-1,
        suited={"condition": "w8", "picture": "w8", "tiny": "w8"},
    ),
    Precision(
        "int8",
        _HALF,
        "what is not quantised stands between quantised operations, which round coarser than either",
        storage="int8",
        calibrated=True,
        suited={"condition": "w8", "tiny": "w8"},
    ),
    Precision(
        "mixed",
        _HALF,
        "as int8",
        storage="int8",
        calibrated=True,
        searched=True,
        suited={"condition": "w8", "picture": "int8", "tiny": "w8"},
    ),
    Precision(
        "a16w8",
        ("f16", "bf16", "f32"),
        "what is not quantised is computed in float16 by the processors that it is for",
        storage="int8",
        calibrated=True,
        formats=("onnx",),
        suited={"condition": "fp16", "tiny": "fp16"},
        hint='`format="onnx"` has it: it is for the neural processors of `target="qnn"`',
    ),
)
PRECISIONS: dict[str, Precision] = {row.name: row for row in _ROWS}
# Of another program's export, which does not say what it was made for.
UNKNOWN = Precision("unknown", _EXACT, "another program's export does not say what it was made for")


def precision_of(name: str) -> Precision:
    """The row of a precision; one that the table does not know is taken as ``unknown``."""
    return PRECISIONS.get(name, UNKNOWN)
