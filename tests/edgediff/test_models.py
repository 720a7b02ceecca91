"""`edgediff models`, `edgediff.shipped_models`, and bundles on the hub by their id."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import edgediff
from edgediff import api
from edgediff_runtimes.errors import BundleNotFoundError, HubError


@pytest.fixture
def folder(bundle, tmp_path):
    """Two bundles, a broken one, and what is none."""
    for name in ("one", "two", "broken"):
        shutil.copytree(bundle, tmp_path / "bundles" / name)
    (tmp_path / "bundles" / "broken" / "unet" / "model.onnx").unlink()
    (tmp_path / "bundles" / "notes").mkdir()
    (tmp_path / "bundles" / "file.txt").touch()
    return tmp_path / "bundles"


def test_shipped_models_are_public(command):
    assert edgediff.shipped_models() == ("emoji", "emoji-lcm")
    outcome = command("models")
    assert (outcome.code, outcome.err) == (0, "")
    assert [line.split()[0] for line in outcome.out.splitlines()[2:]] == ["emoji", "emoji-lcm"]


def test_bundles_of_a_folder_are_listed_and_a_broken_one_is_named(command, folder):
    outcome = command("models", folder)
    assert outcome.code == 0
    names = [line.split()[0] for line in outcome.out.splitlines()[2:]]
    assert names == ["emoji", "emoji-lcm", str(folder / "one"), str(folder / "two")]
    assert outcome.err == f"{folder / 'broken'}: `unet/model.onnx` is missing: expected a file of 1,379 bytes\n"


def test_what_is_listed_can_be_drawn_with(command, folder, tmp_path):
    rows = json.loads(command("models", folder / "one", "--json").out)
    assert [row["model"] for row in rows] == ["emoji", "emoji-lcm", str(folder / "one")]
    assert rows[2]["path"] == str((folder / "one").resolve())
    assert (rows[2]["width"], rows[2]["steps"], rows[2]["precisions"]) == (64, 3, ["fp32"])
    assert command("run", "a", "-m", rows[2]["model"], "-o", tmp_path / "x.png").code == 0


def test_a_folder_that_is_not_there(command, tmp_path):
    outcome = command("models", tmp_path / "nowhere")
    assert (outcome.code, outcome.out) == (1, "")
    assert "expected a folder (No such file or directory)" in outcome.err


def test_an_id_of_the_hub_is_a_bundle(command, bundle, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(api, "snapshot", lambda name, *, allow: asked.append((name, allow)) or bundle)
    assert command("run", "a", "-m", "owner/model", "-o", tmp_path / "x.png").code == 0
    (name, allow) = asked[0]
    assert name == "owner/model"
    assert not {"*", "*.bin", "*/*.bin", "*.safetensors"} & set(allow)


def test_a_directory_of_that_name_is_not_asked_for_at_the_hub(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "snapshot", lambda *_, **__: pytest.fail("it is here"))
    shutil.copytree(bundle, tmp_path / "owner" / "model")
    assert api.open_bundle("owner/model").path == (tmp_path / "owner" / "model").resolve()
    (tmp_path / "owner" / "none").mkdir()
    with pytest.raises(BundleNotFoundError, match="`owner/none` is not a bundle"):
        api.open_bundle("owner/none")


def test_a_hub_that_does_not_answer(command, monkeypatch):
    def none(name, *, allow):  # noqa: ARG001 - the signature of what it replaces
        raise HubError(name, "the hub cannot be reached", hint=None)

    monkeypatch.setattr(api, "snapshot", none)
    outcome = command("run", "a", "-m", "owner/model")
    assert (outcome.code, outcome.out) == (1, "")
    assert "`owner/model` is not a bundle" in outcome.err
    assert "shipped models: emoji, emoji-lcm; nor a model of the hub: the hub cannot be reached" in outcome.err


def test_a_model_of_the_hub_that_is_no_bundle_is_to_be_exported(tmp_path, monkeypatch):
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}', encoding="utf-8")
    monkeypatch.setattr(api, "snapshot", lambda _, *, allow: tmp_path)  # noqa: ARG005 - as above
    with pytest.raises(BundleNotFoundError) as caught:
        api.open_bundle("owner/model")
    assert caught.value.hint == '`edgediff.export("owner/model", bundle)` makes a bundle of it'


def test_a_folder_that_may_not_be_read_hides_no_other(command, folder, monkeypatch):
    is_file = Path.is_file

    def refusing(path):
        if path.parent == folder / "notes":
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refusing)
    outcome = command("models", folder)
    assert outcome.code == 0
    assert str(folder / "two") in outcome.out
    assert f"{folder / 'notes'}: it cannot be read (Permission denied)" in outcome.err


def test_emoji_carries_schedules_of_reuse_that_hold_their_floors():
    proofs = {proof.guidance: proof for proof in api.open_bundle("emoji").manifest.reuse}
    for guidance, mean, worst in ((2.5, 48, 43), (7.5, 40, 34)):
        proof = proofs[guidance]
        assert (proof.sampler, proof.steps, len(proof.pictures)) == (None, 20, 40)
        assert proof.psnr_db.mean >= mean
        assert proof.psnr_db.worst_tenth >= worst
        assert len(proof.schedule.made) < proof.steps
    assert api.open_bundle("emoji-lcm").manifest.reuse == ()
