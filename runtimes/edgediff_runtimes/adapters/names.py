"""How files of adapters call their tensors: which layer of which component, and which piece of it.

Three traditions, and what others made of them: diffusers and PEFT (``unet.a.b.lora_A.weight``), kohya
(``lora_unet_a_b.lora_down.weight``, where all dots became underscores), and the model's first publishers
(``diffusion_model.input_blocks.1.1...``). So layers are compared with underscores in place of dots.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

# What stands behind a layer's name, and the piece that it is. The longest first.
_LEAVES: Final = (
    (r"\.lora_[AB]\.(?:default\.|default_\d+\.)?bias", ""),
    (r"\.lora_A\.(?:default\.|default_\d+\.)?weight", "down"),
    (r"\.lora_B\.(?:default\.|default_\d+\.)?weight", "up"),
    (r"(?<=_lora[12])\.down\.weight", "down"),  # the number is part of the layer's name
    (r"(?<=_lora[12])\.up\.weight", "up"),
    (r"[._]lora(?:_linear_layer)?[._]down\.weight", "down"),
    (r"[._]lora(?:_linear_layer)?[._]up\.weight", "up"),
    (r"\.lora_layer\.down\.weight", "down"),
    (r"\.lora_layer\.up\.weight", "up"),
    (r"\.lora_mid\.weight", "mid"),
    (r"\.lora_magnitude_vector(?:\.default)?(?:\.weight)?", "magnitude"),
    (r"\.dora_scale", "magnitude"),
    (r"\.alpha", "alpha"),
    (r"\.(hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t2)", r"\2"),
    (r"\.diff", "diff"),
    (r"\.diff_b", "bias"),
)
_PATTERNS: Final = tuple((re.compile(f"(.+?){leaf}"), slot) for leaf, slot in _LEAVES)
# What stands before it, and the component: "" is the network. What a bundle calls its components comes first.
_PREFIXES: Final = (
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te_", "text_encoder"),
    ("lora_unet_", ""),
    ("lora_transformer_", ""),
    ("lycoris_", ""),
    ("text_encoders.clip_l.transformer.", "text_encoder"),
    ("text_encoders.clip_g.transformer.", "text_encoder_2"),
    ("model.diffusion_model.", ""),
    ("diffusion_model.", ""),
    ("unet.", ""),
    ("transformer.", ""),
)
_T5: Final = ("lora_te3_", "text_encoders.t5xxl.transformer.")
_WRAPPERS: Final = ("base_model.model.",)
NETWORK: Final = ""


def split_key(key: str) -> tuple[str, str] | None:
    """A layer's name and the piece of it that a tensor is; None where it is no adapter's."""
    for pattern, slot in _PATTERNS:
        found = pattern.fullmatch(key)
        if found is not None:
            return found[1], found.expand(slot) if "\\" in slot else slot
    return None


def component_of(layer: str, roles: Collection[str]) -> tuple[str, str]:
    """The component that a layer is of, and its name there.

    Args:
        layer: As ``split_key`` gives it.
        roles: What the components of the bundle are called.

    Returns:
        A role, or ``NETWORK``; and the layer's name, with underscores in place of dots.
    """
    for wrapper in _WRAPPERS:
        layer = layer.removeprefix(wrapper)
    # Trainers call T5 the third text encoder, also where there are two.
    for prefix in _T5:
        if layer.startswith(prefix):
            role = "text_encoder_3" if "text_encoder_3" in roles else "text_encoder_2"
            return role, plain(layer.removeprefix(prefix))
    for role in sorted(roles, key=len, reverse=True):
        if layer.startswith(f"{role}."):
            return role, plain(layer.removeprefix(f"{role}."))
    for prefix, role in _PREFIXES:
        if layer.startswith(prefix):
            return role, plain(layer.removeprefix(prefix))
    for role in ("text_encoder_3", "text_encoder_2", "text_encoder"):
        if layer.startswith(f"{role}."):
            return role, plain(layer.removeprefix(f"{role}."))
    return NETWORK, plain(layer)


def plain(name: str) -> str:
    """A layer's name as those of all traditions are compared: with underscores in place of dots."""
    name = name.replace(".", "_")
    # Attention processors of diffusers before 0.22: `attn1.processor.to_out_lora` is the layer `attn1.to_out.0`.
    name = name.replace("_processor_", "_")
    name = name.removeprefix("text_model_")  # CLIP's
    name = name.removeprefix("encoder_") if name.startswith("encoder_block_") else name  # T5's
    return re.sub(r"_to_out$", "_to_out_0", name)


def names_of(parameters: Iterable[str]) -> dict[str, str]:
    """By all the names that a layer of an adapter may have: the parameter that it changes.

    Args:
        parameters: Of one component, as its module calls them.
    """
    parameters = tuple(parameters)
    found = dict(_original_names(parameters))
    for name in parameters:
        layer, _, leaf = name.rpartition(".")
        if leaf == "weight":
            found[plain(layer)] = name
    return found


def _original_names(parameters: Collection[str]) -> Iterator[tuple[str, str]]:
    """The names of the first publishers of a U-Net's layers: ``input_blocks_4_1`` is ``down_blocks.1.attentions.1``.

    In each block a ResNet comes first, then attention; a block's last entry that makes smaller has a number of its own
    among the inputs, and the next place behind the others among the outputs.
    """
    weights = [name for name in parameters if name.endswith(".weight")]
    blocks: dict[str, str] = {"mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1"}
    blocks["mid_block.resnets.1"] = "middle_block.2"
    for side, word, scaler in (("down", "input", "downsamplers"), ("up", "output", "upsamplers")):
        number = 1 if side == "down" else 0
        for block in range(count_blocks(weights, f"{side}_blocks")):
            at = f"{side}_blocks.{block}"
            for place in range(count_blocks(weights, f"{at}.resnets")):
                blocks[f"{at}.resnets.{place}"] = f"{word}_blocks.{number}.0"
                blocks[f"{at}.attentions.{place}"] = f"{word}_blocks.{number}.1"
                number += 1
            if not count_blocks(weights, f"{at}.{scaler}"):
                continue
            if side == "down":
                blocks[f"{at}.{scaler}.0.conv"] = f"{word}_blocks.{number}.0.op"
                number += 1
            else:
                behind = 2 if count_blocks(weights, f"{at}.attentions") else 1
                blocks[f"{at}.{scaler}.0.conv"] = f"{word}_blocks.{number - 1}.{behind}.conv"
    for name in weights:
        layer = name.removesuffix(".weight")
        original = _ORIGINAL_ENDS.get(layer)
        holder = next((block for block in blocks if layer == block or layer.startswith(f"{block}.")), None)
        if original is None and holder is not None:
            rest = layer.removeprefix(holder)
            original = blocks[holder] + (_IN_A_RESNET.get(rest, rest) if ".resnets." in holder else rest)
        if original is not None:
            yield plain(original), name


_IN_A_RESNET: Final[Mapping[str, str]] = {
    ".conv1": ".in_layers.2",
    ".conv2": ".out_layers.3",
    ".time_emb_proj": ".emb_layers.1",
    ".conv_shortcut": ".skip_connection",
    ".norm1": ".in_layers.0",
    ".norm2": ".out_layers.0",
}
_ORIGINAL_ENDS: Final[Mapping[str, str]] = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "conv_norm_out": "out.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


def count_blocks(names: Iterable[str], at: str) -> int:
    """How many blocks there are of a name with numbers, such as ``down_blocks``."""
    numbers = (name.removeprefix(f"{at}.").partition(".")[0] for name in names if name.startswith(f"{at}."))
    return 1 + max((int(number) for number in numbers if number.isdigit()), default=-1)
