"""Components that do not fit each other are named before anything is traced: configs alone tell."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

from edgediff_exporters.families.sana import latent_sizes
from edgediff_exporters.opening import open_model
from edgediff_runtimes.errors import SourceError

VAE = {"latent_channels": 16, "block_out_channels": [8, 8]}
CLIP = {"hidden_size": 768, "num_hidden_layers": 2, "projection_dim": 768, "max_position_embeddings": 77}
T5 = {"d_model": 4096}
FLUX = {
    "in_channels": 64,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
    "axes_dims_rope": [16, 56, 56],
}
SD3 = {
    "in_channels": 16,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 1536,
    "patch_size": 2,
    "pos_embed_max_size": 192,
}
PIXART = {"in_channels": 4, "out_channels": 8, "caption_channels": 4096, "patch_size": 2, "sample_size": 128}
SANA = {"in_channels": 16, "caption_channels": 2304}
KOLORS = {"in_channels": 16, "out_channels": 16, "encoder_hid_dim": 2048, "cross_attention_dim": 2048}
BERT = {"hidden_size": 1024, "max_position_embeddings": 77}
HUNYUAN = {"in_channels": 16, "cross_attention_dim": 1024, "cross_attention_dim_t5": 4096, "patch_size": 2}
ENCODERS = {"text_encoder": CLIP, "text_encoder_2": CLIP}

# pipeline, its transformer, what is changed of it, its other parts, what the sentence says
MISFITS = [
    ("FluxPipeline", FLUX, {"in_channels": 384, "out_channels": 64}, {"text_encoder": CLIP, "text_encoder_2": T5},
     "takes 384 channels and gives 64: expected 64, the channels of its VAE's latents, 4 entries at a time"),
    ("FluxPipeline", FLUX, {"joint_attention_dim": 2048}, {"text_encoder": CLIP, "text_encoder_2": T5},
     "`joint_attention_dim` is 2048: expected 4096, `d_model` of its T5"),
    ("FluxPipeline", FLUX, {"pooled_projection_dim": 512}, {"text_encoder": CLIP, "text_encoder_2": T5},
     "`pooled_projection_dim` is 512: expected 768, `hidden_size` of its CLIP"),
    ("StableDiffusion3Pipeline", SD3, {"pooled_projection_dim": 2048}, ENCODERS,
     "`pooled_projection_dim` is 2048: expected 1536, `projection_dim` of its CLIPs together"),
    ("StableDiffusion3Pipeline", SD3, {"joint_attention_dim": 1024}, ENCODERS,
     "is 1536 together: expected at most 1024"),
    ("StableDiffusion3Pipeline", SD3, {"joint_attention_dim": 2048}, {**ENCODERS, "text_encoder_3": T5},
     "`joint_attention_dim` is 2048: expected 4096, `d_model` of its T5"),
    ("PixArtSigmaPipeline", PIXART, {"caption_channels": 1024}, {"text_encoder": T5, "vae": {"latent_channels": 4}},
     "`caption_channels` is 1024: expected 4096, `d_model` of its T5"),
    ("HunyuanDiTPipeline", HUNYUAN, {"cross_attention_dim": 768}, {"text_encoder": BERT, "text_encoder_2": T5},
     "`cross_attention_dim` is 768: expected 1024, `hidden_size` of its BERT"),
    ("HunyuanDiTPipeline", HUNYUAN, {"cross_attention_dim_t5": 2048}, {"text_encoder": BERT, "text_encoder_2": T5},
     "`cross_attention_dim_t5` is 2048: expected 4096, `d_model` of its T5"),
    ("AuraFlowPipeline", SD3, {"in_channels": 4}, {"text_encoder": T5},
     "takes 4 channels and gives 4: expected 16"),
    ("SanaPipeline", SANA, {"guidance_embeds": True}, {"text_encoder": {"hidden_size": 2304}},
     "the transformer is that of SANA-Sprint (`guidance_embeds`): expected one of SANA"),
    ("SanaSprintPipeline", SANA, {}, {"text_encoder": {"hidden_size": 2304}},
     "the transformer has no `guidance_embeds`: expected them, as SANA-Sprint's has them"),
    ("KolorsPipeline", {}, {}, {"text_encoder": {"hidden_size": 4096}, "unet": KOLORS},
     "the U-Net's `encoder_hid_dim` is 2048: expected 4096, `hidden_size` of its text"),
]  # fmt: skip


@pytest.mark.parametrize(("pipeline", "transformer", "changed", "parts", "sentence"), MISFITS)
def test_what_does_not_fit_is_named(tmp_path, pipeline, transformer, changed, parts, sentence):
    written = {"vae": VAE, **parts, "transformer": {**transformer, **changed}}
    tokenizers = [name.replace("text_encoder", "tokenizer") for name in parts if name.startswith("text_encoder")]
    for name, config in {**written, **{name: {} for name in tokenizers}}.items():
        (tmp_path / name).mkdir()
        kind = "tokenizer_config.json" if name in tokenizers else "config.json"
        (tmp_path / name / kind).write_text(json.dumps(config))
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "scheduler_config.json").write_text("{}")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    with pytest.raises(SourceError) as caught:
        open_model(tmp_path, config=None)
    assert sentence in caught.value.sentence


@pytest.mark.parametrize("channels", [4, 32, 100])
def test_sizes_for_sana_s_autoencoder_are_those_where_its_attention_is_linear(channels):
    for sizes in latent_sizes({"attention_head_dim": channels}):
        assert sizes["height"] * sizes["width"] > channels
        assert len({*sizes.values()}) == len(sizes)
