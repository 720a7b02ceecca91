"""Make ``tests/golden/lora/emoji.npz`` again: what diffusers draws with a LoRA and the weights of the shipped model.

    pip install peft
    python tests/golden/make_lora_golden.py

The file is read by diffusers itself (``load_lora_weights``, ``fuse_lora``), once as it is and once by kohya's names.
The shipped bundle stores matrices in int8 with a scale per output channel: here they are rounded so before the LoRA is
added, and not again behind it, as with ``edgediff run --lora``, which keeps float16.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import diffusers
import numpy as np
import torch
from make_pipeline_golden import SOURCES, round_matrices
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent / "lora"
LORA = HERE / "violet-ink.safetensors"
PROMPTS, SEED, STEPS, GUIDANCE, SCALE = ["a red apple", "a sailboat"], 7, 6, 2.5, 0.8


def by_kohyas_names(path: Path) -> Path:
    """The same LoRA as kohya's scripts would write it, with alphas of half the rank and pieces twice as large."""
    tensors = {}
    for key, value in load_file(LORA).items():
        layer, _, piece = key.removeprefix("unet.").rpartition(".lora_")
        flat = f"lora_unet_{layer}".replace(".", "_")
        if piece == "A.weight":
            tensors[f"{flat}.lora_down.weight"] = value
            tensors[f"{flat}.alpha"] = torch.tensor(len(value) / 2)
        else:
            tensors[f"{flat}.lora_up.weight"] = 2 * value
    save_file(tensors, path)
    return path


def main() -> None:
    """Draw and store."""
    arrays = {}
    for name, file in (("ours", LORA), ("kohya", by_kohyas_names(HERE / "violet-ink-kohya.safetensors"))):
        pipeline = diffusers.StableDiffusionPipeline.from_pretrained(SOURCES / "emoji")
        pipeline.set_progress_bar_config(disable=True)
        for part in (pipeline.text_encoder, pipeline.unet, pipeline.vae):
            round_matrices(part)
        pipeline.load_lora_weights(file)
        pipeline.fuse_lora(lora_scale=SCALE)
        pipeline.unload_lora_weights()
        generators = [torch.Generator().manual_seed(SEED + index) for index in range(len(PROMPTS))]
        options = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "generator": generators}
        arrays[name] = np.stack([np.asarray(image) for image in pipeline(PROMPTS, **options).images])
    provenance = {name: version(name) for name in ("torch", "diffusers", "transformers", "peft", "numpy")}
    about = {"prompts": PROMPTS, "seed": SEED, "steps": STEPS, "guidance": GUIDANCE, "scale": SCALE, **provenance}
    np.savez_compressed(HERE / "emoji.npz", about=json.dumps(about), **arrays)


if __name__ == "__main__":
    main()
