"""The whole recipe on ten drawings made here: losses fall, files appear, a finished stage is not begun again."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from benchmarks.models.emoji import data

ROOT = Path(__file__).parents[3]
PAINTS = {
    "red": (220, 40, 40),
    "green": (40, 180, 70),
    "blue": (50, 90, 220),
    "gold": (240, 200, 40),
    "rose": (240, 110, 180),
}
STAGES = {"autoencoder": 40, "text_encoder": 30, "denoiser": 30, "decoder": 2, "few_steps": 2}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.nightly,  # trains every stage, and guards no more than the scripts that made the shipped models
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning"),  # of the libraries
]


def _run(step: str, work: Path, *options: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [step, "--work", str(work), *options])
        import_module(f"benchmarks.models.emoji.{step}").main()


def _drawings() -> tuple[list[data.Concept], np.ndarray]:
    concepts, pictures = [], []
    for colour, paint in PAINTS.items():
        for shape in ("ball", "box"):
            page = Image.new("RGB", (64, 64), "white")
            pen = ImageDraw.Draw(page)
            (pen.ellipse if shape == "ball" else pen.rectangle)((8, 8, 55, 55), fill=paint)
            words = ("toy", "round" if shape == "ball" else "square")
            concepts.append(data.Concept(f"{colour} {shape}", words, "", "toy", f"{colour}-{shape}.png"))
            pictures.append(np.asarray(page))
    return concepts, np.stack(pictures)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emoji")
    data.save(folder, *_drawings())
    _run("recolour", folder)
    _run("tokenizer", folder)
    for stage, steps in STAGES.items():
        _run(stage, folder, "--steps", str(steps), "--batch", "8", "--workers", "1")
        if stage == "autoencoder":
            _run("latents", folder)
    return folder


@pytest.mark.parametrize("name", ["autoencoder", "text", "denoiser"])
def test_the_loss_falls(work, name):
    state = torch.load(work / "checkpoints" / f"{name}.pt", weights_only=True)
    assert state["progress"] >= 1 - 1e-6
    assert state["history"][0]["step"] == 1
    assert state["history"][-1]["loss"] < 0.9 * state["history"][0]["loss"]


def test_two_workers_go_on_where_one_was_stopped(work):
    checkpoint = work / "checkpoints" / "text.pt"
    stopped = torch.load(checkpoint, weights_only=True)
    torch.save({**stopped, "progress": 0.5}, checkpoint)
    command = [sys.executable, "-m", "benchmarks.models.emoji.text_encoder", "--work", str(work), "--steps", "8"]
    subprocess.run([*command, "--workers", "2", "--batch", "4"], cwd=ROOT, check=True)
    assert torch.load(checkpoint, weights_only=True)["step"] == stopped["step"] + 4


def test_a_finished_stage_is_left_alone(work):
    before = torch.load(work / "checkpoints" / "denoiser.pt", weights_only=True)["step"]
    _run("denoiser", work, "--steps", "10", "--batch", "8", "--workers", "1")
    assert torch.load(work / "checkpoints" / "denoiser.pt", weights_only=True)["step"] == before == STAGES["denoiser"]


def test_the_latents_are_white(work):
    drawings = torch.load(work / "data" / "latents.pt", weights_only=True)["drawings"]
    assert drawings.shape == (10, 16, 8, 8)
    torch.testing.assert_close(drawings.std((0, 2, 3)), torch.ones(16), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("folder", "options"), [("emoji", ()), ("emoji-lcm", ("--few-steps",))])
def test_the_pipeline_is_written_and_draws(work, folder, options):
    out, metrics = work / "final" / folder, work / f"{folder}.json"
    _run("pipeline", work, "--out", str(out), *options)
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json"} <= files
    assert {"unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"} <= files
    assert {"text_encoder/model.safetensors", "tokenizer/merges.txt"} <= files
    _run("evaluate", work, "--pipeline", str(out), "--out", str(metrics), "--steps", "2", "--limit", "4")
    figures = json.loads(metrics.read_text(encoding="utf-8"))
    assert 0 <= figures["names"] <= 1
    assert figures["autoencoder_psnr"] > 5
