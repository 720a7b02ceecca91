"""Engines by name and by format, and what is said of one that is not there."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from edgediff_runtimes import engines
from edgediff_runtimes.engines import ENGINES, EngineOptions, FakeEngine, engine_for, get_engine
from edgediff_runtimes.errors import NotInstalledError, SettingError
from edgediff_runtimes.installing import install_line


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_answers_to_its_name(name):
    try:
        engine = get_engine(name)
    except NotInstalledError as error:
        pytest.skip(error.sentence)
    assert engine.name == name
    assert engine.version
    assert engine.devices()


def test_an_unknown_engine_is_named_with_those_that_are_known():
    with pytest.raises(SettingError, match=r"`engine` is 'tvm': expected one of .*onnxruntime"):
        get_engine("tvm")


def test_the_engine_of_a_format():
    assert engine_for("onnx").name == "onnxruntime"


def test_a_format_that_no_engine_reads():
    with pytest.raises(SettingError, match=r"`format` is 'tflite': expected one of .*onnx"):
        engine_for("tflite")


@pytest.mark.parametrize("extra", [None, "openvino", "npu"])
def test_a_missing_package_has_its_install_line(monkeypatch, extra):
    monkeypatch.setitem(ENGINES, "absent", ("edgediff_runtimes.engines.absent", "AbsentEngine", extra))
    with pytest.raises(NotInstalledError, match="the engine `absent` is not installed") as caught:
        get_engine("absent")
    assert caught.value.hint == install_line(extra)
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value.__cause__, ImportError)


def test_a_package_that_does_not_load_is_not_installed(monkeypatch):
    def broken(_name):
        raise ImportError("DLL load failed")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(NotInstalledError, match="DLL load failed"):
        get_engine("onnxruntime")


def test_the_names_are_all_there():
    assert all(getattr(engines, name) for name in engines.__all__)


@pytest.mark.parametrize("threads", [0, -1, "2", 1.5, True, np.True_, [2]], ids=repr)
def test_threads_are_a_whole_number_of_at_least_one(threads):
    with pytest.raises(SettingError, match=r"`threads` is .*: expected a whole number of at least 1"):
        EngineOptions(threads=threads)


def test_threads_are_no_more_than_a_processor_has_cores():
    assert EngineOptions(threads=1024).threads == 1024
    with pytest.raises(
        SettingError, match=r"`threads` is 99999999999: expected a whole number of at most 1,024, because"
    ):
        EngineOptions(threads=99_999_999_999)


def test_threads_may_be_a_number_of_numpy():
    assert type(EngineOptions(threads=np.int64(2)).threads) is int


def test_the_fake_engine_has_the_face_of_an_engine():
    engine = FakeEngine(lambda _role, feeds: dict(feeds))
    assert (engine.name, [device.name for device in engine.devices()]) == ("fake", ["cpu"])
