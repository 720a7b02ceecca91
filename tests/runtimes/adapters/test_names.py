"""One layer by all the names that files give it."""

from __future__ import annotations

import pytest

import edgediff
from edgediff.api import open_bundle
from edgediff_runtimes.adapters.names import component_of, names_of, split_key
from edgediff_runtimes.weights.reading import stored_weights

ROLES = ("text_encoder", "text_encoder_2", "unet", "vae_decoder")
ATTENTION = "down_blocks.1.attentions.0.transformer_blocks.0.attn1"
QUERY = f"{ATTENTION}.to_q.weight"
OUT = f"{ATTENTION}.to_out.0.weight"
TEXT = "encoder.layers.0.self_attn.q_proj.weight"
KNOWN = {"unet": names_of([QUERY, OUT, "conv_in.weight"]), "text_encoder": names_of([TEXT])}
KNOWN["text_encoder_2"] = names_of([f"text_model.{TEXT}"])


@pytest.mark.parametrize(
    ("key", "role", "parameter", "slot"),
    [
        (f"unet.{ATTENTION}.to_q.lora_A.weight", "unet", QUERY, "down"),
        (f"base_model.model.{ATTENTION}.to_q.lora_B.default.weight", "unet", QUERY, "up"),
        (f"unet.{ATTENTION}.processor.to_q_lora.down.weight", "unet", QUERY, "down"),
        (f"unet.{ATTENTION}.processor.to_out_lora.up.weight", "unet", OUT, "up"),
        (f"unet.{ATTENTION}.to_q.lora.down.weight", "unet", QUERY, "down"),
        (f"{ATTENTION}.to_q.lora_layer.up.weight", "unet", QUERY, "up"),
        (f"lora_unet_{ATTENTION}.to_q".replace(".", "_") + ".lora_down.weight", "unet", QUERY, "down"),
        (f"lora_unet_{ATTENTION}.to_q".replace(".", "_") + ".alpha", "unet", QUERY, "alpha"),
        (f"lora_unet_{ATTENTION}.to_out.0".replace(".", "_") + ".dora_scale", "unet", OUT, "magnitude"),
        (f"lora_unet_{ATTENTION}.to_q".replace(".", "_") + ".hada_w1_a", "unet", QUERY, "hada_w1_a"),
        (f"lycoris_{ATTENTION}.to_q".replace(".", "_") + ".lokr_w2", "unet", QUERY, "lokr_w2"),
        ("lora_unet_conv_in.lora_mid.weight", "unet", "conv_in.weight", "mid"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight", "text_encoder", TEXT, "down"),
        ("lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", "text_encoder", TEXT, "up"),
        ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", "text_encoder", TEXT, "up"),
        (
            "lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight",
            "text_encoder_2",
            f"text_model.{TEXT}",
            "up",
        ),
        (
            "text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight",
            "text_encoder_2",
            f"text_model.{TEXT}",
            "down",
        ),
    ],
)
def test_every_tradition(key, role, parameter, slot):
    layer, found = split_key(key)
    component, plain = component_of(layer, ROLES)
    assert found == slot
    assert KNOWN[component or "unet"][plain] == parameter
    assert (component or "unet") == role


T5 = "block.0.layer.0.SelfAttention.q.weight"


@pytest.mark.parametrize(
    ("key", "roles", "role"),
    [
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_up.weight", ("text_encoder_3",), "text_encoder_3"),
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_up.weight", ("text_encoder_2",), "text_encoder_2"),
        (
            "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q.lora_up.weight",
            ("text_encoder_2",),
            "text_encoder_2",
        ),
        ("text_encoder_2.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight", (), "text_encoder_2"),
    ],
)
def test_t5_is_the_third_text_encoder_or_the_second(key, roles, role):
    """A bundle has its layers without `encoder.`, a source with it."""
    layer, _ = split_key(key)
    component, plain = component_of(layer, roles)
    assert component == role
    assert names_of([T5])[plain] == T5
    assert names_of([f"encoder.{T5}"])[plain] == f"encoder.{T5}"


@pytest.mark.parametrize("key", ["conv_in.weight", "emb_params", "x", "lora_unet_conv_in.lora_down", "a.alpha.weight"])
def test_what_is_no_piece_of_an_adapter(key):
    assert split_key(key) is None


SDXL = {  # as the first publishers call the layers of Stable Diffusion XL's U-Net, and as diffusers does
    "input_blocks_0_0": "conv_in",
    "input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1",
    "input_blocks_3_0_op": "down_blocks.0.downsamplers.0.conv",
    "input_blocks_4_0_skip_connection": "down_blocks.1.resnets.0.conv_shortcut",
    "input_blocks_4_1_transformer_blocks_0_attn1_to_q": "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
    "input_blocks_8_1_proj_in": "down_blocks.2.attentions.1.proj_in",
    "middle_block_1_proj_out": "mid_block.attentions.0.proj_out",
    "middle_block_2_out_layers_3": "mid_block.resnets.1.conv2",
    "output_blocks_0_1_proj_in": "up_blocks.0.attentions.0.proj_in",
    "output_blocks_2_2_conv": "up_blocks.0.upsamplers.0.conv",
    "output_blocks_5_0_emb_layers_1": "up_blocks.1.resnets.2.time_emb_proj",
    "output_blocks_8_0_in_layers_2": "up_blocks.2.resnets.2.conv1",
    "time_embed_0": "time_embedding.linear_1",
    "label_emb_0_2": "add_embedding.linear_2",
    "out_2": "conv_out",
}


def sdxl():
    """Names of parameters of a U-Net with XL's blocks: 3 of 2 layers down, of 3 up; attention in all but the first."""
    yield from ("conv_in.weight", "conv_out.weight", "time_embedding.linear_1.weight", "add_embedding.linear_2.weight")
    for side, layers, plain in (("down", 2, 0), ("up", 3, 2)):
        for block in range(3):
            at = f"{side}_blocks.{block}"
            for layer in range(layers):
                for part in ("conv1", "conv2", "time_emb_proj", "conv_shortcut"):
                    yield f"{at}.resnets.{layer}.{part}.weight"
                if block != plain:
                    yield f"{at}.attentions.{layer}.proj_in.weight"
                    yield f"{at}.attentions.{layer}.transformer_blocks.0.attn1.to_q.weight"
            if block < 2:
                yield f"{at}.{'down' if side == 'down' else 'up'}samplers.0.conv.weight"
    yield from ("mid_block.attentions.0.proj_out.weight", "mid_block.resnets.1.conv2.weight")


@pytest.mark.parametrize("original", SDXL)
def test_names_of_the_first_publishers(original):
    assert names_of(sdxl())[original] == f"{SDXL[original]}.weight"


@pytest.mark.parametrize("model", edgediff.shipped_models())
@pytest.mark.parametrize("role", ["text_encoder", "unet"])
def test_every_matrix_of_the_shipped_models_has_its_name(model, role):
    stored = stored_weights(open_bundle(model).graph(role))
    matrices = {name for name, one in stored.items() if name.endswith(".weight") and len(one.shape) > 1}
    assert len(matrices) == {"text_encoder": 14, "unet": 87}[role]
    assert matrices <= {*names_of(stored).values()}
