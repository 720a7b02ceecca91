"""A LoRA for the shipped model: whatever it draws, in violet ink.

    python -m benchmarks.models.emoji.train_lora --out tests/golden/lora/violet-ink.safetensors

The drawings are the model's own, a dozen of them, recoloured: their lightness, from violet to white. Trained are two
thin matrices beside each matrix of the attention blocks and beside the last convolution (Hu et al. 2021, "LoRA"); the
model itself stays as it is. It takes some minutes on one core, and the file is what diffusers and edgediff load.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import final

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import Tensor, nn

SOURCE = Path(__file__).parent / "pipelines" / "emoji"
WORDS = (
    "red apple", "banana", "dog face", "cat face", "sunflower", "house", "rocket", "fire engine",
    "grinning face", "soccer ball", "mushroom", "octopus",
)  # fmt: skip
INK, PAPER = (74, 20, 140), (255, 255, 255)
_TRAINED = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv_out")


@final
class WithLora(nn.Module):
    """A linear layer or a convolution, and what is learnt beside it."""

    def __init__(self, base: nn.Linear | nn.Conv2d, rank: int) -> None:
        super().__init__()
        self.base = base
        outputs, inputs, *kernel = base.weight.shape
        self.down = nn.Parameter(torch.randn(rank, inputs, *kernel) / (inputs * int(np.prod(kernel))) ** 0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank, *[1] * len(kernel)))

    def forward(self, x: Tensor) -> Tensor:
        """The base's result and the LoRA's."""
        if isinstance(self.base, nn.Conv2d):
            middle = nn.functional.conv2d(x, self.down, None, self.base.stride, self.base.padding)
            added = nn.functional.conv2d(middle, self.up)
        else:
            added = x @ self.down.T @ self.up.T
        out: Tensor = self.base(x) + added
        return out


def recoloured(picture: np.ndarray) -> np.ndarray:
    """A picture, (height, width, 3) in [0, 1], by its lightness between ink and paper."""
    lightness = (picture @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    ink, paper = (np.array(colour, np.float32) / 255 for colour in (INK, PAPER))
    made: np.ndarray = ink + (paper - ink) * np.clip((lightness - 0.1) / 0.85, 0, 1)
    return made


def drawings(pipeline: StableDiffusionPipeline, *, seeds: int) -> tuple[Tensor, list[str]]:
    """Latents of recoloured drawings, and their words."""
    latents, words = [], []
    for seed in range(seeds):
        generators = [torch.Generator().manual_seed(100 * seed + index) for index in range(len(WORDS))]
        drawn = pipeline(
            list(WORDS), generator=generators, num_inference_steps=20, guidance_scale=2.5, output_type="np"
        )
        pixels = torch.from_numpy(np.stack([recoloured(one) for one in drawn.images])).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            latents.append(pipeline.vae.encode(2 * pixels - 1).latent_dist.mean * pipeline.vae.config.scaling_factor)
        words += WORDS
    return torch.cat(latents), words


def train(pipeline: StableDiffusionPipeline, arguments: argparse.Namespace) -> dict[str, WithLora]:
    """Train and give the layers back, by name."""
    torch.manual_seed(arguments.seed)
    clean, words = drawings(pipeline, seeds=arguments.seeds)
    with torch.no_grad():
        text, nothing = (
            pipeline.encode_prompt(prompts, "cpu", 1, do_classifier_free_guidance=False)[0]
            for prompts in (words, [""] * len(words))
        )
    unet = pipeline.unet.requires_grad_(requires_grad=False)
    layers = {}
    for name, module in list(unet.named_modules()):
        if name.endswith(_TRAINED) and isinstance(module, nn.Linear | nn.Conv2d):
            holder, _, leaf = name.rpartition(".")
            layers[name] = WithLora(module, arguments.rank)
            setattr(unet.get_submodule(holder), leaf, layers[name])
    weights = [weight for layer in layers.values() for weight in (layer.down, layer.up)]
    optimiser = torch.optim.AdamW(weights, lr=arguments.rate, weight_decay=0.01)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, arguments.steps)
    alphas = pipeline.scheduler.alphas_cumprod
    began, losses = time.perf_counter(), []
    for step in range(arguments.steps):
        row = torch.randint(len(words), (arguments.batch,))
        t = torch.randint(1000, (arguments.batch,))
        a = alphas[t][:, None, None, None]
        noise = torch.randn_like(clean[row])
        context = torch.where(torch.rand(arguments.batch, 1, 1) < 0.15, nothing[row], text[row])
        v = a.sqrt() * noise - (1 - a).sqrt() * clean[row]
        predicted = unet(a.sqrt() * clean[row] + (1 - a).sqrt() * noise, t, context).sample
        loss = (predicted - v).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            print(f"{step + 1}: {np.mean(losses[-50:]):.4f}, {time.perf_counter() - began:.0f} s", flush=True)
    return layers


def main() -> None:
    """Write one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file")
    parser.add_argument("--rank", type=int, default=4, help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, default=400, help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=12, help="(default: %(default)s)")
    parser.add_argument("--rate", type=float, default=3e-3, help="(default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="drawings of each word (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    arguments = parser.parse_args()
    pipeline = StableDiffusionPipeline.from_pretrained(SOURCE, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    layers = train(pipeline, arguments)
    tensors = {}
    for name, layer in layers.items():
        tensors[f"unet.{name}.lora_A.weight"] = layer.down.detach().half().contiguous()
        tensors[f"unet.{name}.lora_B.weight"] = layer.up.detach().half().contiguous()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, arguments.out, metadata={"format": "pt"})
    print(f"{len(layers)} layers, {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
