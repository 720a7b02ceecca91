"""A library's exception becomes the error that it means."""

from __future__ import annotations

import pytest

from edgediff_runtimes.engines.failing import failed
from edgediff_runtimes.errors import EngineError, OutOfMemoryError


@pytest.mark.parametrize(
    "words",
    [
        "std::bad_alloc",
        "bad allocation",
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 48318",
        "[GPU] CL_OUT_OF_RESOURCES",
        "CL_MEM_OBJECT_ALLOCATION_FAILURE",
        "CUDA error: out of memory",
    ],
)
def test_no_memory_in_the_words_of_libraries(words):
    error = failed("ONNX Runtime failed in `unet`", words, RuntimeError(words))
    assert type(error) is OutOfMemoryError
    assert error.sentence == f"ONNX Runtime failed in `unet`: there is not enough memory ({words})"
    assert "a smaller precision" in error.hint


def test_pybinds_own_exception_for_it():
    assert type(failed("x", "std::bad_alloc", MemoryError("std::bad_alloc"))) is OutOfMemoryError


@pytest.mark.parametrize(
    "words", ["INVALID_ARGUMENT: Got invalid dimensions for input", "shape mismatch", "badly placed"]
)
def test_everything_else_is_what_it_was(words):
    error = failed("ONNX Runtime cannot load `unet`", words, RuntimeError(words))
    assert type(error) is EngineError
    assert error.sentence == f"ONNX Runtime cannot load `unet`: {words}"


@pytest.mark.parametrize(("version", "hinted"), [("2026.3.0-1-x", True), ("2026.4.1-2-x", False), ("2027.0.0", False)])
def test_an_older_openvino_is_told_to_be_one(monkeypatch, version, hinted):
    failures = pytest.importorskip("edgediff_runtimes.engines.openvino.failures")
    monkeypatch.setattr(failures.ov, "__version__", version)
    error = failures.failure("cannot load `unet`", RuntimeError("no such operator"))
    assert (error.hint is not None) == hinted
    assert not hinted or "this is OpenVINO 2026.3.0" in error.hint
