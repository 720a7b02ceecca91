"""The public API: names, bundles by name or directory, verification."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgediff
from edgediff import api
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import (
    BundleNotFoundError,
    ComponentFileError,
    EngineError,
    NotInstalledError,
    SettingError,
)
from edgediff_runtimes.installing import install_line


@pytest.fixture
def shipped(bundle, tmp_path, monkeypatch):
    """A package that ships two models."""
    models = tmp_path / "package" / "models"
    shutil.copytree(bundle, models / "tiny")
    shutil.copytree(bundle, models / "other")
    (models / "README.md").touch()
    monkeypatch.setattr(api, "_MODELS", models)
    return models


def test_every_public_name_is_there():
    for name in edgediff.__all__:
        assert getattr(edgediff, name) is not None
    assert set(edgediff.__all__) <= set(dir(edgediff))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute `Pipelin`"):
        _ = edgediff.Pipelin


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, edgediff; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8")
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"numpy", "onnxruntime", "tokenizers", "PIL", "click", "rich", "torch"})


def test_help_imports_no_engine():
    code = (
        "import sys\nfrom edgediff.cli import main\nsys.argv[1:] = ['--help']\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8")
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert loaded.isdisjoint({"onnxruntime", "torch", "PIL", "tokenizers"})


def test_a_bundle_by_directory(bundle):
    for place in (bundle, str(bundle)):
        assert api.open_bundle(place).path == bundle.resolve()


def test_a_bundle_by_name(shipped):
    assert api.shipped_models() == ("other", "tiny")
    assert api.open_bundle("tiny").path == (shipped / "tiny").resolve()


def test_a_directory_of_the_same_name_is_asked_for_with_a_dot(shipped, bundle, tmp_path, monkeypatch):
    here = tmp_path / "here"
    shutil.copytree(bundle, here / "tiny")
    monkeypatch.chdir(here)
    assert api.open_bundle("tiny").path == (shipped / "tiny").resolve()
    assert api.open_bundle("./tiny").path == (here / "tiny").resolve()


@pytest.mark.parametrize("name", ["README.md", "nothing", ".."])
def test_what_is_no_model_is_named_with_those_that_are_shipped(shipped, name):
    assert shipped.is_dir()
    with pytest.raises(BundleNotFoundError, match="shipped models: other, tiny"):
        api.open_bundle(name)


def test_a_package_without_models(monkeypatch, tmp_path):
    monkeypatch.setattr(api, "_MODELS", tmp_path / "models")
    assert api.shipped_models() == ()
    with pytest.raises(BundleNotFoundError) as caught:
        api.open_bundle("emoji")
    assert "shipped" not in caught.value.sentence


def test_load_draws(bundle):
    with edgediff.load(bundle) as pipeline:
        assert isinstance(pipeline, edgediff.Pipeline)
        assert pipeline.bundle.path == bundle.resolve()
        result = pipeline("a red apple", seed=1)
        assert isinstance(result, edgediff.Result)
        with pipeline.stream("a red apple", seed=1) as run:
            assert isinstance(run, edgediff.Run)
            assert isinstance(next(run), edgediff.Step)
            np.testing.assert_array_equal(run.result.latents, result.latents)


@pytest.mark.parametrize(
    "options",
    [{"residency": "sequential"}, {"low_memory": True}, {"threads": 1}, {"split_guidance": True}, {"device": "cpu"}],
    ids=str,
)
def test_how_a_bundle_is_run_does_not_change_the_picture(bundle, options):
    with edgediff.load(bundle) as usual, edgediff.load(bundle, **options) as changed:
        expected, got = (pipeline("a red apple", seed=1) for pipeline in (usual, changed))
    np.testing.assert_allclose(got.latents, expected.latents, atol=1e-5)


def test_a_fresh_pipeline_draws_bit_equal(bundle):
    with edgediff.load(bundle) as first:
        pictures = [first("a", seed=1).latents, first("b", seed=2).latents, first("a", seed=1).latents]
    with edgediff.load(bundle) as second:
        again = second("a", seed=1).latents
    np.testing.assert_array_equal(pictures[0], pictures[2])
    np.testing.assert_array_equal(pictures[0], again)


def test_an_engine_by_name_or_as_an_object(bundle):
    fake = edgediff.FakeEngine(lambda _role, _feeds: {})
    with edgediff.load(bundle, engine=fake) as pipeline, pytest.raises(EngineError, match="`text_encoder` gives"):
        pipeline("a")
    with edgediff.load(bundle, engine="onnxruntime") as pipeline:
        assert pipeline("a", seed=0).images
    with pytest.raises(SettingError, match="`engine` is 'tvm'"):
        edgediff.load(bundle, engine="tvm")


@pytest.mark.parametrize("given", [None, 3, b"emoji", ["emoji"]], ids=repr)
def test_what_is_neither_a_name_nor_a_path_is_no_bundle(given):
    for call in (edgediff.load, edgediff.verify):
        with pytest.raises(SettingError, match=r"`bundle` is .*: expected a directory or the name of a shipped model"):
            call(given)


@pytest.mark.parametrize("options", [{"threads": 0}, {"threads": "2"}, {"residency": "never"}])
def test_load_refuses_unknown_options(bundle, options):
    with pytest.raises(SettingError):
        edgediff.load(bundle, **options)


NOTHING_CLAIMED = "the manifest claims nothing of the bundle's quality"


def test_verify_a_good_bundle(bundle):
    assert edgediff.verify(bundle) == api.Verification(files=8, graphs=4, not_measured=NOTHING_CLAIMED)


def test_verify_an_altered_file(bundle_copy):
    path = bundle_copy / "vae_decoder" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    Bundle.open(bundle_copy)  # the length is right
    with pytest.raises(ComponentFileError, match=r"`vae_decoder/model\.onnx` was altered"):
        edgediff.verify(bundle_copy)


def test_verify_a_graph_that_does_not_load(bundle_copy):
    (bundle_copy / "edgediff.json").unlink()
    (bundle_copy / "unet" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(EngineError, match="cannot load `unet`"):
        edgediff.verify(bundle_copy)


def test_verify_counts_the_files_that_have_a_hash(bundle_copy):
    (bundle_copy / "edgediff.json").unlink()
    assert edgediff.verify(bundle_copy) == api.Verification(files=0, graphs=4, not_measured=NOTHING_CLAIMED)


def test_without_the_exporter_the_install_line_is_given(monkeypatch, bundle, tmp_path):
    monkeypatch.setitem(sys.modules, "edgediff_exporters", None)
    for call in (lambda: edgediff.export(tmp_path, tmp_path / "x"), lambda: edgediff.verify(bundle, against=tmp_path)):
        with pytest.raises(NotInstalledError) as caught:
            call()
        assert caught.value.hint == install_line("export")


def test_devices_are_described(monkeypatch):
    report = api.describe_devices()
    assert report["engines"]["onnxruntime"]["devices"]["cpu"]
    monkeypatch.setattr(api, "get_engine", _no_engine)
    assert api.describe_devices()["engines"]["onnxruntime"] == {"missing": install_line(None)}


def _no_engine(name):
    raise NotInstalledError(name, extra=None, reason=ImportError("no module"))


def test_the_package_has_its_type_marker():
    assert (Path(edgediff.__file__).parent / "py.typed").is_file()


def test_what_is_neither_true_nor_false_is_refused(bundle):
    with pytest.raises(edgediff.EdgediffError, match="`split_guidance` is 'no': expected True or False"):
        edgediff.load(bundle, split_guidance="no")
