"""Where links in a folder of others may lead: inside it, and where the hub's cache leads. Nowhere else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import pytest

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import EngineOptions, get_engine
from edgediff_runtimes.errors import BundleError, ComponentFileError, UnsafePathError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.untrusted.links import find, locate

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DERIVED_READS = (
    "model_index.json",
    "unet/config.json",
    "vae_decoder/config.json",
    "scheduler/scheduler_config.json",
    "scheduler",
    "unet",
    "vae_decoder",
    "unet/model.onnx",
    "tokenizer",
    "tokenizer/tokenizer_config.json",
    "tokenizer/special_tokens_map.json",
    "tokenizer/vocab.json",
)
READ_WITH_A_MANIFEST = ("unet", "vae_decoder", "unet/model.onnx", *DERIVED_READS[-4:])

pytestmark = pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")


def _cached(folder, repository, place):
    """``folder`` as the hub's cache lays it out: every file a link to the repository's blobs."""
    snapshot = repository / "snapshots" / place
    (repository / "blobs").mkdir(parents=True)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = file.read_bytes()
        blob = repository / "blobs" / hashlib.sha256(data).hexdigest()
        blob.write_bytes(data)
        link = snapshot / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"{'../' * (len(link.relative_to(repository).parts) - 1)}blobs/{blob.name}")
    return snapshot


@pytest.mark.parametrize("repository", ["models--someone--bundle", "a copy of the cache"])
@pytest.mark.parametrize("place", [COMMIT, "main", f"{COMMIT}/one/of/several"])
@pytest.mark.parametrize("derived", [False, True])
def test_a_bundle_in_the_hubs_cache_draws(golden, tmp_path, repository, place, derived):
    snapshot = _cached(golden / "bundle", tmp_path / repository, place)
    if derived:
        (snapshot / "edgediff.json").unlink()
    bundle = Bundle.open(snapshot)
    bundle.check_hashes()
    assert bundle.derived == derived
    # Under its own name: weights lie beside it there, and the name says the format.
    assert bundle.graph("unet").path == snapshot.resolve() / "unet" / "model.onnx"
    with Pipeline(bundle) as pipeline:
        assert pipeline("a red apple", seed=0, steps=2, width=64, height=64).images[0].size == (64, 64)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_engines_load_graphs_of_the_hubs_cache(golden, tmp_path, engine):
    pytest.importorskip(engine)
    bundle = Bundle.open(_cached(golden / "bundle", tmp_path / "models--a--b", COMMIT))
    with get_engine(engine).load(bundle.graph("unet"), device="auto", options=EngineOptions()) as session:
        assert list(session.inputs) == ["sample", "timestep", "encoder_hidden_states"]


@pytest.mark.parametrize(
    ("name", "derived"),
    [(name, True) for name in DERIVED_READS] + [(name, False) for name in READ_WITH_A_MANIFEST],
)
def test_nothing_is_read_through_a_link_that_leads_out(bundle_dir, tmp_path, name, derived):
    if derived:
        (bundle_dir / "edgediff.json").unlink()
    else:  # what no manifest describes: it lists no file of the tokenizer
        path = bundle_dir / "edgediff.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        values["tokenizers"][0]["files"] = []
        path.write_text(json.dumps(values), encoding="utf-8")
    outside = tmp_path / "outside"
    shutil.move(bundle_dir / name, outside)
    (bundle_dir / name).symlink_to(outside)
    with pytest.raises(UnsafePathError, match="leaves the bundle"):
        Bundle.open(bundle_dir)


@pytest.mark.parametrize(
    "target",
    [
        "../../../secret",  # beside the repository
        "../../refs/main",  # in the repository, no blob
        "../../blobs/id_rsa",  # not named by a hash
        "../../blobs",  # the folder of them
        f"../../blobs/{'0' * 64}",  # a blob that is not there
        "../other/model_index.json",  # another snapshot
        f"../../../models--x--y/blobs/{'1' * 64}",  # another repository
    ],
)
def test_the_hubs_cache_is_no_way_out(tmp_path, target):
    repository = tmp_path / "models--a--b"
    snapshot = repository / "snapshots" / COMMIT
    for folder in (
        snapshot,
        repository / "blobs",
        repository / "refs",
        snapshot.parent / "other",
        tmp_path / "models--x--y" / "blobs",
    ):
        folder.mkdir(parents=True)
    for file in (
        tmp_path / "secret",
        repository / "refs" / "main",
        repository / "blobs" / "id_rsa",
        snapshot.parent / "other" / "model_index.json",
        tmp_path / "models--x--y" / "blobs" / ("1" * 64),
    ):
        file.write_text("secret", encoding="utf-8")
    (snapshot / "LICENSE").symlink_to(target)
    with pytest.raises(UnsafePathError, match="`LICENSE`"):
        locate(snapshot.resolve(), "LICENSE")


def test_what_is_no_regular_file_is_not_found(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    root = tmp_path.resolve()
    assert find(root, "pipe") is find(root, "folder") is find(root, "nothing") is None
    assert find(root, "file") == find(root, "link") == root / "file"


@pytest.mark.parametrize("name", ["\ud800", "unet/\udcff", "x" * 5000, "x/" * 3000, "a\0b", ""])
def test_a_name_that_no_file_can_have(tmp_path, name):
    try:
        assert find(tmp_path.resolve(), name) is None
    except BundleError as error:
        assert isinstance(error, UnsafePathError | ComponentFileError)  # noqa: PT017 - either answer is right
