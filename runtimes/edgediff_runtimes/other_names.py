"""What other programs call the options of a run: people type these names, and are told ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NAMES = {
    "steps": "num_inference_steps inference_steps num_steps sampling_steps sample_steps ddim_steps n_steps",
    "guidance": "guidance_scale cfg cfg_scale cfgscale unconditional_guidance_scale",
    "true_guidance": "true_cfg_scale true_cfg",
    "image_guidance": "image_guidance_scale image_cfg image_cfg_scale cfg_image",
    "images": "num_images_per_prompt num_images batch batch_size batch_count n_samples n_iter samples count",
    "sampler": "scheduler sampler_name sampling_method sample_method",
    "sampler_options": "sampler_config scheduler_config eta",
    "image": "init_image init_img input_image img",
    "mask": "mask_image init_mask inpaint_mask",
    "crop_mask": "padding_mask_crop inpaint_full_res inpaint_full_res_padding",
    "extend": "outpaint outpainting expand",
    "strength": "denoising_strength denoise image_strength",
    "control_image": "controlnet_image control_images controlnet_conditioning_image hint_image",
    "control_scale": "controlnet_conditioning_scale controlnet_scale control_strength control_weight",
    "control_start": "control_guidance_start guidance_start",
    "control_end": "control_guidance_end guidance_end",
    "control_preprocessor": "control_kind preprocessor control_module",
    "prompt_image": "ip_adapter_image image_prompt",
    "prompt_image_scale": "ip_adapter_scale ip_scale image_prompt_scale",
    "negative_prompt": "negative_prompts neg_prompt negative neg",
    "clip_skip": "clip_stop_at_last_layers clip_layer",
    "class_label": "label labels class classes class_labels class_id label_id",
    "enlarge": "upscale hires hires_fix hires_scale hr_scale upscale_by upscale_factor enable_hr",
    "seed": "generator manual_seed rng_seed",
    "variation_seed": "subseed",
    "variation_strength": "subseed_strength variation_amount",
    "width": "w",
    "height": "h",
    "on_step": "callback callback_on_step_end step_callback",
    "output": "out outfile output_file save",
    "model": "bundle model_path ckpt checkpoint",
    "prompts": "from_file prompt_file",
}
OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {name: ours for ours, names in _NAMES.items() for name in names.split()}
)
"""Ours by theirs, lower-case, with underscores."""
