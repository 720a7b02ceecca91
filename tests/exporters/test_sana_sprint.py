"""SANA-Sprint's transformer in half precision: what is around it stays float32, as in diffusers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from edgediff_exporters.families import sana_sprint  # noqa: E402 - after the skip

TRANSFORMER = {
    "in_channels": 4,
    "out_channels": 4,
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "num_layers": 1,
    "num_cross_attention_heads": 2,
    "cross_attention_head_dim": 8,
    "cross_attention_dim": 16,
    "caption_channels": 16,
    "sample_size": 8,
    "guidance_embeds": True,
}
GEMMA = {"hidden_size": 16, "vocab_size": 8}
VAE = {"latent_channels": 4, "encoder_block_out_channels": [8, 8]}


def test_a_half_transformer_gives_a_velocity_in_float32():
    configs = {"transformer": TRANSFORMER, "text_encoder": GEMMA, "vae": VAE}
    plan = {plan.role: plan for plan in sana_sprint.plans(SimpleNamespace(config=configs.get))}["transformer"]
    torch.manual_seed(0)
    module = plan.build(TRANSFORMER).eval()
    generator = torch.Generator().manual_seed(0)
    tensors = [item.draw(plan.traced, generator) for item in plan.inputs]
    halves = [
        tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 and not item.exact else tensor
        for item, tensor in zip(plan.inputs, tensors, strict=True)
    ]
    with torch.no_grad():
        (expected,) = plan.forward(module, *tensors)
        (velocity,) = plan.forward(module.half(), *halves)
    assert velocity.dtype == torch.float32
    assert (velocity - expected).abs().max() <= 1e-2 * expected.abs().max()
