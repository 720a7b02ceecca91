"""A bundle on disk: files that are missing, cut, altered, or outside."""

from __future__ import annotations

import json
import os

import pytest

from edgediff_runtimes.bundle import Bundle, sha256_of
from edgediff_runtimes.errors import BundleError, BundleNotFoundError, ComponentFileError, UnsafePathError

UNET = "unet/model.onnx"


def _rewrite(bundle_dir, change):
    path = bundle_dir / "edgediff.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def _set_unet_path(bundle_dir, text):
    _rewrite(bundle_dir, lambda values: values["components"]["unet"]["files"][0].update(path=text))


@pytest.fixture
def outside(bundle_dir, tmp_path):
    """A file outside of the bundle with the length and the hash that the manifest states for the U-Net."""
    path = tmp_path / "outside" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes((bundle_dir / UNET).read_bytes())
    return path


def _link(link, target):
    link.parent.mkdir(exist_ok=True)
    try:
        link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this system makes no symbolic links")


def test_a_good_bundle_opens_with_good_hashes(bundle_dir):
    bundle = Bundle.open(bundle_dir)
    bundle.check_hashes()
    assert bundle.path == bundle_dir.resolve()
    assert not bundle.derived
    assert {entry.path for entry in bundle.files()} >= {UNET, "vae_decoder/model.onnx"}
    graph = bundle.graph("unet")
    assert graph.path == (bundle_dir / UNET).resolve()
    assert [spec.name for spec in graph.inputs] == ["sample", "timestep", "encoder_hidden_states"]


def test_an_unknown_component_is_named_with_those_that_are_there(tiny):
    with pytest.raises(BundleError, match=r"`controlnet`.*text_encoder, unet, vae_decoder, vae_encoder"):
        tiny.graph("controlnet")


@pytest.mark.parametrize("name", ["nowhere", "x" * 5000, "~nobody-of-that-name/bundle"])
def test_no_bundle_there(tmp_path, name):
    place = name if name.startswith("~") else tmp_path / name
    with pytest.raises(BundleNotFoundError, match="is not a bundle") as caught:
        Bundle.open(place)
    assert isinstance(caught.value, FileNotFoundError)


def test_a_directory_that_is_no_bundle(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BundleNotFoundError, match=r"edgediff\.json"):
        Bundle.open(tmp_path)


def test_a_manifest_that_is_not_text(bundle_dir):
    (bundle_dir / "edgediff.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ComponentFileError, match=r"edgediff\.json.*cannot be read"):
        Bundle.open(bundle_dir)


def test_a_missing_file(bundle_dir):
    (bundle_dir / UNET).unlink()
    with pytest.raises(ComponentFileError, match=rf"`{UNET}` is missing") as caught:
        Bundle.open(bundle_dir)
    assert isinstance(caught.value, OSError)


def test_a_directory_in_place_of_a_file(bundle_dir):
    (bundle_dir / UNET).unlink()
    (bundle_dir / UNET).mkdir()
    with pytest.raises(ComponentFileError, match="is missing"):
        Bundle.open(bundle_dir)


def test_a_truncated_file(bundle_dir):
    os.truncate(bundle_dir / UNET, 100)
    with pytest.raises(ComponentFileError, match=rf"`{UNET}` has 100 bytes: expected [\d,]+"):
        Bundle.open(bundle_dir)


def test_an_altered_file_of_the_same_length(bundle_dir):
    data = bytearray((bundle_dir / UNET).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle_dir / UNET).write_bytes(data)
    bundle = Bundle.open(bundle_dir)
    with pytest.raises(ComponentFileError, match=rf"`{UNET}` was altered"):
        bundle.check_hashes()


def test_an_altered_tokenizer(bundle_dir):
    merges = bundle_dir / "tokenizer" / "merges.txt"
    merges.write_bytes(merges.read_bytes()[::-1])
    with pytest.raises(ComponentFileError, match=r"`tokenizer/merges\.txt` was altered"):
        Bundle.open(bundle_dir).check_hashes()


def test_a_missing_tokenizer(bundle_dir):
    (bundle_dir / "tokenizer").rename(bundle_dir / "elsewhere")
    with pytest.raises(ComponentFileError, match=r"`tokenizer/merges\.txt` is missing"):
        Bundle.open(bundle_dir)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "//server/share/x",
        "../outside/model.onnx",
        "unet/../../outside/model.onnx",
        "unet/..",
        "..\\outside\\model.onnx",
        "unet\\model.onnx",
        "C:/outside/model.onnx",
        "C:model.onnx",
        "unet/model.onnx:stream",
        "unet/\0model.onnx",
    ],
)
def test_a_path_that_leaves_the_bundle(bundle_dir, outside, path):
    assert outside.is_file()
    _set_unet_path(bundle_dir, path)
    with pytest.raises(UnsafePathError, match="leaves the bundle"):
        Bundle.open(bundle_dir)
    _set_unet_path(bundle_dir, UNET)
    _rewrite(bundle_dir, lambda values: values["tokenizers"][0].update(path=path))
    with pytest.raises(UnsafePathError, match="leaves the bundle"):
        Bundle.open(bundle_dir)


def test_a_path_too_long_for_a_file(bundle_dir):
    _set_unet_path(bundle_dir, "x" * 5000)
    with pytest.raises(ComponentFileError, match="is missing"):
        Bundle.open(bundle_dir)


def test_a_link_to_a_file_outside(bundle_dir, outside):
    (bundle_dir / UNET).unlink()
    _link(bundle_dir / UNET, outside)
    with pytest.raises(UnsafePathError, match=UNET):
        Bundle.open(bundle_dir)


def test_a_link_to_a_directory_outside(bundle_dir, outside):
    (bundle_dir / "unet").rename(bundle_dir / "hidden")
    _link(bundle_dir / "unet", outside.parent)
    with pytest.raises(UnsafePathError, match=UNET):
        Bundle.open(bundle_dir)


def test_a_link_that_goes_round(bundle_dir):
    (bundle_dir / UNET).unlink()
    _link(bundle_dir / UNET, bundle_dir / UNET)
    with pytest.raises((UnsafePathError, ComponentFileError)):
        Bundle.open(bundle_dir)


@pytest.mark.parametrize("name", ["vocab.json", "special_tokens_map.json"])
def test_a_link_out_of_the_tokenizer(bundle_dir, outside, name):
    (bundle_dir / "tokenizer" / name).rename(outside.parent / name)
    _link(bundle_dir / "tokenizer" / name, outside.parent / name)
    with pytest.raises(UnsafePathError, match=f"tokenizer/{name}"):
        Bundle.open(bundle_dir)


def test_a_manifest_that_is_a_link_out(bundle_dir, outside):
    (bundle_dir / "edgediff.json").rename(outside.parent / "edgediff.json")
    _link(bundle_dir / "edgediff.json", outside.parent / "edgediff.json")
    with pytest.raises(UnsafePathError, match=r"edgediff\.json"):
        Bundle.open(bundle_dir)


def test_a_link_inside_is_followed(bundle_dir):
    (bundle_dir / UNET).rename(bundle_dir / "weights.onnx")
    _link(bundle_dir / UNET, bundle_dir / "weights.onnx")
    bundle = Bundle.open(bundle_dir)
    bundle.check_hashes()
    assert bundle.graph("unet").path == (bundle_dir / "weights.onnx").resolve()


def test_a_bundle_behind_a_link_opens(bundle_dir, tmp_path):
    _link(tmp_path / "link", bundle_dir)
    Bundle.open(tmp_path / "link").check_hashes()


@pytest.mark.parametrize("name", ["edgediff.json", UNET, "tokenizer/vocab.json"])
def test_a_pointer_of_git_lfs_is_named(bundle_dir, pointer, name):
    (bundle_dir / name).write_bytes(pointer)
    with pytest.raises(ComponentFileError, match=f"`{name}` is a pointer of git-lfs: the file itself") as caught:
        Bundle.open(bundle_dir)
    assert "git lfs pull" in caught.value.hint


def test_a_folder_of_a_tokenizer_that_cannot_be_read(bundle_dir, forbid):
    forbid(bundle_dir / "tokenizer")
    with pytest.raises(ComponentFileError, match=r"`tokenizer` cannot be read \(Permission denied\)"):
        Bundle.open(bundle_dir)


def test_a_file_that_cannot_be_read_has_no_hash(bundle_dir, forbid):
    bundle = Bundle.open(bundle_dir)
    forbid(bundle_dir / UNET)
    with pytest.raises(ComponentFileError, match=rf"`{UNET}` cannot be read \(Permission denied\)"):
        bundle.check_hashes()


def test_sha256_of_a_known_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
