"""The folder that ``edgediff.web`` writes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

import edgediff
from edgediff.api import open_bundle
from edgediff.browser import folder as folders
from edgediff.browser.folder import SITE
from edgediff.browser.page import Page, check_drawable, files
from edgediff_runtimes.errors import BundleError, EdgediffError, SettingError
from edgediff_runtimes.families.latents import INPAINTING
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import Pad
from edgediff_runtimes.settings.resolve import options_of


@pytest.fixture
def manifest():
    return open_bundle("emoji").manifest


def test_the_folder_holds_page_library_and_bundle(tmp_path, package):
    report = edgediff.web("emoji-lcm", tmp_path / "site", wasm=package)
    site = json.loads((tmp_path / "site" / SITE).read_text(encoding="utf-8"))
    there = {
        path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*") if path.is_file()
    }
    listed = {entry["path"] for entry in site["files"]}
    assert listed | {SITE} == there
    assert {*files(), "bundle/edgediff.json", "bundle/unet/model.onnx", "bundle/LICENSE", "bundle/README.md"} <= listed
    assert not any("quality" in name or name.endswith(".npz") for name in there)
    for entry in site["files"]:
        data = (tmp_path / "site" / entry["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
    assert {name for build in site["library"].values() for name in build.values()} <= listed
    assert (report.files, report.bytes) == (
        len(there),
        sum((tmp_path / "site" / name).stat().st_size for name in there),
    )
    assert report.library.startswith("onnxruntime-web ")
    assert report.left_out == INPAINTING


def test_what_is_in_it_draws_as_the_bundle(tmp_path, package):
    edgediff.web("emoji-lcm", tmp_path / "site", wasm=package)
    site = json.loads((tmp_path / "site" / SITE).read_text(encoding="utf-8"))
    assert site["fingerprint"] == open_bundle("emoji-lcm").fingerprint
    assert site["name"] == "emoji-lcm"
    prompt, options = options_of({**site["settings"], "prompts": ["a fox"], "seed": 3})
    assert (prompt, options["seed"], options["steps"]) == ("a fox", 3, 4)
    open_bundle(tmp_path / "site" / "bundle").check_hashes()


def test_a_directory_without_a_manifest_gets_one(tmp_path, package, bundle_copy):
    (bundle_copy / "edgediff.json").unlink()
    edgediff.web(bundle_copy, tmp_path / "site", wasm=package)
    inside = open_bundle(tmp_path / "site" / "bundle")
    assert not inside.derived
    names = {entry["path"] for entry in json.loads((tmp_path / "site" / SITE).read_text(encoding="utf-8"))["files"]}
    assert any(name.startswith("bundle/tokenizer/") for name in names)


def test_only_a_folder_of_its_own_is_overwritten(tmp_path, package):
    place = tmp_path / "site"
    edgediff.web("emoji-lcm", place, wasm=package)
    with pytest.raises(EdgediffError, match="exists: expected a place where nothing is"):
        edgediff.web("emoji", place, wasm=package)
    edgediff.web("emoji", place, wasm=package, overwrite=True)
    assert json.loads((place / SITE).read_text(encoding="utf-8"))["name"] == "emoji"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(EdgediffError, match=r"is no folder of `edgediff\.web`"):
        edgediff.web("emoji", tmp_path / "mine", wasm=package, overwrite=True)
    with pytest.raises(EdgediffError, match="does not exist"):
        edgediff.web("emoji", tmp_path / "nowhere" / "site", wasm=package)


def test_what_fails_half_way_leaves_what_was_there(tmp_path, package, monkeypatch):
    place = tmp_path / "site"
    edgediff.web("emoji-lcm", place, wasm=package)
    before = sorted(tmp_path.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders, "_site", full)
    with pytest.raises(EdgediffError, match="cannot be written \\(No space left on device\\)"):
        edgediff.web("emoji", place, wasm=package, overwrite=True)
    assert sorted(tmp_path.iterdir()) == before
    assert json.loads((place / SITE).read_text(encoding="utf-8"))["name"] == "emoji-lcm"


def test_a_folder_without_the_library_is_refused(tmp_path, package):
    (package / "dist" / "ort.wasm.min.mjs").unlink()
    with pytest.raises(SettingError, match=r"with `ort\.wasm\.min\.mjs`"):
        edgediff.web("emoji", tmp_path / "site", wasm=package)
    assert not (tmp_path / "site").exists()


def test_another_version_of_the_library_is_refused(tmp_path, package):
    (package / "package.json").write_text('{"version": "1.0.0"}', encoding="utf-8")
    with pytest.raises(SettingError, match=r"onnxruntime-web 1\.0\.0.*which the page was tested with"):
        edgediff.web("emoji", tmp_path / "site", wasm=package)


def _with_stage(manifest, **changes):
    return replace(manifest, recipe=Recipe((replace(manifest.recipe.first, **changes),)))


def _with_unet(manifest, **changes):
    unet = replace(manifest.components["unet"], **changes)
    return replace(manifest, components={**manifest.components, "unet": unet})


PAD = Pad(name="text", to="padded", axis=1, length=99)
REFUSED = {
    "a part": (
        lambda m: _with_stage(m, given=(*m.recipe.first.given, PAD)),
        "the recipe has the part `pad`: expected one of affine",
    ),
    "several stages": (
        lambda m: replace(m, recipe=Recipe((m.recipe.first, replace(m.recipe.first, name="refiner")))),
        r"2 stages \(base, refiner\): expected one",
    ),
    "a scheduler": (
        lambda m: replace(m, scheduler={"_class_name": "UniPCMultistepScheduler"}),
        "scheduler is `UniPCMultistepScheduler`: expected one of DDIMScheduler",
    ),
    "a scheduler's option": (
        lambda m: replace(m, scheduler={**m.scheduler, "thresholding": True}),
        "DDIMScheduler has `thresholding` True: expected False",
    ),
    "padding to the left": (
        lambda m: _with_stage(m, given=(replace(m.recipe.first.given[0], side="left"), *m.recipe.first.given[1:])),
        "the recipe's `tokens` has `side` 'left': expected 'right'",
    ),
    "guidance of its own": (
        lambda m: _with_stage(m, guidance=replace(m.recipe.first.guidance, scale="true_guidance")),
        "guidance has `scale` 'true_guidance': expected 'guidance'",
    ),
    "a tokenizer": (
        lambda m: replace(m, tokenizers=(replace(m.tokenizers[0], kind="unigram"),)),
        "kind `unigram`: expected `clip`",
    ),
    "OpenVINO": (lambda m: _with_unet(m, format="openvino"), "format `openvino`: expected `onnx`"),
    "too large": (
        lambda m: _with_unet(m, files=(replace(m.components["unet"].files[0], bytes=3_000_000_000),)),
        "`unet` has 3 GB: expected at most 2.15 GB",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_page_does_not_draw_is_refused(manifest, what):
    change, sentence = REFUSED[what]
    with pytest.raises(BundleError, match=sentence):
        check_drawable(change(manifest), Page.built())


def test_another_task_with_an_unknown_part_is_left_out(manifest):
    stage = manifest.recipe.first
    changed = _with_stage(manifest, tasks={**stage.tasks, "padded": (*stage.tasks["text-to-image"], PAD)})
    assert check_drawable(changed, Page.built()) == (*INPAINTING, "padded")
    assert check_drawable(manifest, Page.built()) == INPAINTING


def test_the_command_says_where(tmp_path, package, command):
    done = command("web", "emoji-lcm", tmp_path / "site", "--wasm", package)
    assert (done.code, done.out.strip()) == (0, str(tmp_path / "site"))
    assert "http.server -d" in done.err
    assert f"no place for {', '.join(INPAINTING)}" in done.err
    again = command("web", "emoji-lcm", tmp_path / "site", "--wasm", package)
    assert again.code == 1
    assert "--overwrite" in again.err
    report = json.loads(command("web", "emoji", tmp_path / "site", "--wasm", package, "--overwrite", "--json").out)
    assert report["folder"] == str(tmp_path / "site")
    assert report["files"] > 10
