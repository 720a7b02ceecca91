"""LoRAs for tiny random models of transformers, by the names of diffusers and of kohya's scripts: what the goldens of
``make_lora_family_golden.py`` are drawn with, and the tests that compare with them.

Their numbers are those of a sine, the same everywhere and for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

RANK, SCALE = 2, 0.8
MODELS: Final = ("flux-dev", "stable-diffusion-3-without-t5")
# What is trained of each model: ends of names of the transformer's layers.
LAYERS: Final = (
    ".attn.to_q", ".attn.to_k", ".attn.to_v", ".attn.to_out.0", ".attn.add_q_proj", ".attn.add_k_proj",
    ".attn.add_v_proj", ".attn.to_add_out", ".ff.net.0.proj", ".ff.net.2", ".ff_context.net.0.proj", ".norm1.linear",
    ".norm.linear", ".proj_mlp", ".proj_out", "x_embedder", "context_embedder", "norm_out.linear",
)  # fmt: skip
CLIP: Final = (".q_proj", ".k_proj", ".v_proj", ".out_proj", ".fc1")
KOHYA: Final = {  # of FLUX.1, its layers' rows in widths of the model
    "img_attn_qkv": 3, "txt_attn_qkv": 3, "img_attn_proj": 1, "txt_attn_proj": 1, "img_mlp_0": 4, "img_mlp_2": 1,
    "txt_mlp_2": 1, "img_mod_lin": 6,
}  # fmt: skip


def _numbers(shape: tuple[int, ...], seed: int, size: float) -> np.ndarray:
    count = int(np.prod(shape))
    return (size * np.sin(np.arange(1, count + 1) * (1.37 + 0.1 * seed)) / shape[-1] ** 0.5).reshape(shape)


def _pair(rows: int, inputs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    down, up = _numbers((RANK, inputs), seed, 2.0), _numbers((rows, RANK), seed + 1, 1.0)
    return down.astype(np.float32), up.astype(np.float32)


def by_diffusers_names(shapes: Mapping[str, Mapping[str, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    """A LoRA of many layers.

    Args:
        shapes: Of the matrices of ``transformer`` and ``text_encoder``, by the names of their modules.
    """
    made: dict[str, np.ndarray] = {}
    for role, ends in (("transformer", LAYERS), ("text_encoder", CLIP)):
        for name, shape in sorted(shapes[role].items()):
            layer = name.removesuffix(".weight")
            if layer == name or not layer.endswith(ends) or len(shape) != 2:
                continue
            down, up = _pair(*shape, seed=len(made))
            text = "text_model." if role == "text_encoder" and not layer.startswith("text_model.") else ""
            made |= {f"{role}.{text}{layer}.lora_A.weight": down, f"{role}.{text}{layer}.lora_B.weight": up}
    return made


def by_kohyas_names(width: int) -> dict[str, np.ndarray]:
    """A LoRA of FLUX.1's first block, of a model so wide, by kohya's names, with alphas."""
    made: dict[str, np.ndarray] = {}
    for name, rows in KOHYA.items():
        down, up = _pair(rows * width, 4 * width if name.endswith("mlp_2") else width, seed=len(made))
        layer = f"lora_unet_double_blocks_0_{name}"
        made |= {f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": 2 * up}
        made[f"{layer}.alpha"] = np.array(4.0, np.float32)
    return made
