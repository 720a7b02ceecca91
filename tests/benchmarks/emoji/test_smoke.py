"""The whole recipe on ten drawings made here: losses fall, files appear, a resumed stage is not begun again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from benchmarks.models.emoji import data

ROOT = Path(__file__).parents[3]
COLOURS = {"red": (220, 40, 40), "green": (40, 180, 70), "blue": (50, 90, 220), "yellow": (240, 200, 40), "pink": (240, 110, 180)}
BUDGETS = {"autoencoder": "0.06", "text_encoder": "0.03", "denoiser": "0.06", "decoder": "0.02", "distill": "0.02"}
CHECKPOINTS = {"autoencoder": "autoencoder", "text_encoder": "text", "denoiser": "denoiser"}


def _run(stage: str, work: Path, *options: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-m", f"benchmarks.models.emoji.{stage}", *options]
    command += [] if stage == "sheet" else ["--work", str(work)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _drawings() -> tuple[list[data.Concept], np.ndarray]:
    concepts, pictures = [], []
    for colour, paint in COLOURS.items():
        for shape in ("ball", "box"):
            page = Image.new("RGB", (64, 64), "white")
            pen = ImageDraw.Draw(page)
            (pen.ellipse if shape == "ball" else pen.rectangle)((8, 8, 55, 55), fill=paint)
            words = ("toy", "round" if shape == "ball" else "square")
            concepts.append(data.Concept(f"{colour} {shape}", words, "toy", f"{colour}-{shape}.png"))
            pictures.append(np.asarray(page))
    return concepts, np.stack(pictures)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emoji")
    data.save(folder, *_drawings())
    for stage in ("recolour", "tokenizer"):
        _run(stage, folder)
    _run("autoencoder", folder, "--minutes", BUDGETS["autoencoder"])
    _run("latents", folder)
    for stage in ("text_encoder", "denoiser", "decoder", "distill"):
        _run(stage, folder, "--minutes", BUDGETS[stage], "--batch", "8")
    return folder


@pytest.mark.parametrize("stage", CHECKPOINTS)
def test_the_loss_falls(work, stage):
    state = torch.load(work / "checkpoints" / f"{CHECKPOINTS[stage]}.pt", weights_only=True)
    assert state["progress"] >= 1
    assert state["history"][-1]["loss"] < 0.9 * state["first_loss"]


def test_a_finished_stage_is_resumed_not_begun_again(work):
    before = torch.load(work / "checkpoints" / "text.pt", weights_only=True)["step"]
    _run("text_encoder", work, "--minutes", BUDGETS["text_encoder"])
    assert torch.load(work / "checkpoints" / "text.pt", weights_only=True)["step"] == before


def test_the_latents_are_white(work):
    drawings = torch.load(work / "data" / "latents.pt", weights_only=True)["drawings"]
    assert drawings.shape == (10, 16, 8, 8)
    torch.testing.assert_close(drawings.std((0, 2, 3)), torch.ones(16), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("folder", "options"), [("emoji", ()), ("emoji-lcm", ("--few-steps",))])
def test_the_pipeline_is_written_and_draws(work, folder, options):
    out = work / "final" / folder
    _run("pipeline", work, "--out", str(out), *options)
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"model_index.json", "tokenizer/vocab.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json"} <= files
    assert {"unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"} <= files
    assert "text_encoder/model.safetensors" in files
    metrics = work / f"{folder}.json"
    _run("evaluate", work, "--pipeline", str(out), "--out", str(metrics), "--steps", "2", "--limit", "4")
    figures = json.loads(metrics.read_text(encoding="utf-8"))
    assert 0 <= figures["names"] <= 1
    assert figures["autoencoder_psnr"] > 5
