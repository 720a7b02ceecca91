"""Language models as text encoders, without an export."""

from __future__ import annotations

import torch

from edgediff_exporters.modules.language_models import decoder_states, qwen3, states_after

CONFIG = {
    "model_type": "qwen3",
    "vocab_size": 11,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 4,
}
LEAST = torch.finfo(torch.float32).min


def test_a_mask_is_as_strong_in_half_precision():
    """Off by 0.39 of the largest state else, on ONNX Runtime in fp16: of the tokens in front of a text."""
    plan = decoder_states("text_encoder", CONFIG, build=qwen3, takes=states_after([1]))
    module, seen = qwen3(CONFIG).half().eval(), []
    layer = module.layers[0]
    layer.register_forward_pre_hook(lambda _, _args, named: seen.append(named["attention_mask"]), with_kwargs=True)
    ids, shown = torch.tensor([[1, 2, 3]]), torch.tensor([[0, 1, 1]])
    (states,) = plan.forward(module, ids, shown)
    assert states.dtype == torch.float16
    expected = [[LEAST, LEAST, LEAST], [LEAST, 0, LEAST], [LEAST, 0, 0]]
    torch.testing.assert_close(seen[0], torch.tensor([[expected]]), rtol=0, atol=0)
