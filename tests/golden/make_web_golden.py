"""Write what the TypeScript runtime is compared with: ``python tests/golden/make_web_golden.py``.

``web/test/golden.json`` holds whole arrays that the Python runtime computed: noise, token ids, time steps and samples
of samplers, resized pictures, and pictures of the shipped models.
"""

from __future__ import annotations

import base64
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from odd_prompts import odd_prompts
from PIL import Image

import edgediff
from edgediff.api import open_bundle
from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import build_sampler, sampler_config, sampler_fields
from edgediff_runtimes.text.clip import read_clip
from edgediff_runtimes.text.rows import RowEncoder

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "web" / "test" / "golden.json"
SHAPE = (1, 4, 4, 4)
PROMPTS, LONG = 200, 150
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
DDIM = {**SD, "_class_name": "DDIMScheduler", "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}


def shipped(name: str) -> dict[str, Any]:
    """The scheduler's config of a shipped model."""
    return open_bundle(name).manifest.scheduler


def cases() -> list[tuple[str, dict[str, Any], str | None, int, float | None]]:
    """What it is, config, sampler, steps, strength."""
    velocity = {**DDIM, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    dpm = {**SD, "_class_name": "DPMSolverMultistepScheduler"}
    made = [
        ("emoji", shipped("emoji"), None, 20, None),
        ("emoji-lcm", shipped("emoji-lcm"), None, 4, None),
        ("emoji from a picture", shipped("emoji"), None, 10, 0.6),
        ("DDIM leading", DDIM, None, 7, None),
        ("DDIM clipped", {**DDIM, "clip_sample": True}, None, 5, None),
        ("DDIM at zero SNR", {**velocity, "timestep_spacing": "trailing"}, None, 6, None),
        ("DDIM cosine", {**DDIM, "beta_schedule": "squaredcos_cap_v2"}, None, 5, None),
        ("DDIM of samples", {**DDIM, "prediction_type": "sample"}, None, 5, None),
        ("PLMS", {**SD, "_class_name": "PNDMScheduler", "skip_prk_steps": True, "steps_offset": 1}, None, 8, None),
        ("PLMS, one step", {**SD, "_class_name": "PNDMScheduler", "skip_prk_steps": True}, None, 1, None),
        ("Euler", {**SD, "_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}, None, 9, None),
        ("Euler linspace", {**SD, "_class_name": "EulerDiscreteScheduler"}, None, 9, None),
        (
            "Euler to sigma_min",
            {**SD, "_class_name": "EulerDiscreteScheduler", "final_sigmas_type": "sigma_min"},
            None,
            4,
            None,
        ),
        ("Euler ancestral", {**SD, "_class_name": "EulerAncestralDiscreteScheduler"}, None, 6, None),
        ("DPM-Solver++ 2M", dpm, None, 20, None),
        ("DPM-Solver++ 3M", {**dpm, "solver_order": 3}, None, 18, None),
        ("DPM-Solver++ few steps", dpm, None, 6, None),
        ("DPM-Solver++ heun", {**dpm, "solver_type": "heun", "euler_at_final": True}, None, 16, None),
        ("DPM-Solver 2M", {**dpm, "algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}, None, 8, None),
        (
            "DPM-Solver++ clipped levels",
            {**dpm, "lambda_min_clipped": -5.1, "beta_schedule": "squaredcos_cap_v2"},
            None,
            8,
            None,
        ),
    ]
    named = ("ddim", "plms", "euler", "euler_karras", "euler_a", "dpmpp_2m", "dpmpp_2m_karras", "dpmpp_2m_sde")
    return made + [(f"emoji by {name}", shipped("emoji"), name, 12, None) for name in named]


def model(x: np.ndarray, t: Any) -> np.ndarray:
    """Half of x, a little of the time step."""
    return np.float32(0.5) * x + np.float32(float(t) * 0.0005)


def sampled() -> list[dict[str, Any]]:
    """Time steps and final samples."""
    found = []
    for what, config, name, steps, strength in cases():
        whole, options = (config, {}) if name is None else (sampler_config(name, config), sampler_fields(name))
        sampler = build_sampler(whole, steps=steps, **options)
        rng = noise_source(7)
        noise = rng.standard_normal(SHAPE)
        start = None
        if strength is not None:
            sampler = sampler.for_strength(strength)
            start = (np.arange(64) / 64).astype(np.float32).reshape(SHAPE)
        sample = sampler.sample(model, noise, rng=rng, start=start)
        found.append(
            {
                "what": what,
                "config": config,
                "sampler": name,
                "steps": steps,
                "strength": strength,
                "timesteps": sampler.timesteps.astype(float).tolist(),
                "sample": sample.ravel().astype(float).tolist(),
            }
        )
    return found


def noises() -> dict[str, Any]:
    """Normals and uniforms of some seeds."""
    draws = []
    for seed in (0, 7, 4294967295, 2**32 + 5):
        rng = noise_source(seed)
        draws.append(
            {"seed": seed, "draws": [rng.standard_normal((n,)).astype(float).tolist() for n in (64, 3, 19, 16, 2)]}
        )
    uniforms = [
        {"seed": seed, "numbers": noise_source(seed).uniform((40,)).astype(float).tolist()} for seed in (1, 123456)
    ]
    return {"noise": draws, "uniforms": uniforms}


def tokens() -> list[dict[str, Any]]:
    """Ids of some prompts with the tokenizer of a shipped model."""
    folder, length = "edgediff/models/emoji/tokenizer", 24
    encoder = RowEncoder(read_clip(ROOT / folder), max_tokens=length)
    with warnings.catch_warnings(action="ignore"):
        return [
            {"tokenizer": folder, "length": length, "prompt": prompt, "ids": encoder.encode([prompt]).ids[0].tolist()}
            for prompt in odd_prompts(PROMPTS, seed=3)
            if len(prompt) < LONG
        ]


def resized() -> list[dict[str, Any]]:
    """Pictures before and after Pillow's Lanczos."""
    rng = np.random.default_rng(0)
    found = []
    for old, new in (((13, 9), (8, 8)), ((8, 8), (24, 16)), ((16, 8), (16, 24)), ((31, 7), (8, 7))):
        pixels = rng.integers(0, 256, (old[1], old[0], 3), dtype=np.uint8)
        result = np.asarray(Image.fromarray(pixels).resize(new, Image.Resampling.LANCZOS))
        found.append({"from": old, "to": new, "pixels": coded(pixels), "result": coded(result)})
    return found


def drawings() -> list[dict[str, Any]]:
    """Pictures of the shipped models."""
    found = []
    photo = Image.fromarray(np.random.default_rng(1).integers(0, 256, (48, 80, 3), dtype=np.uint8))
    for name, prompt, options, image in (
        ("emoji-lcm", "a red apple", {"seed": 3}, None),
        ("emoji", "a sailboat", {"seed": 5, "steps": 8, "negative_prompt": "red"}, None),
        ("emoji", "a frog", {"seed": 6, "steps": 6, "sampler": "euler_a", "width": 96}, None),
        ("emoji", "a fox", {"seed": 1, "steps": 6, "strength": 0.5, "width": 64, "height": 64}, photo),
    ):
        with edgediff.load(name) as pipeline:
            drawn = pipeline(prompt, image=image, **options).images[0]
        source = None
        if image is not None:
            source = {"width": image.width, "height": image.height, "pixels": coded(np.asarray(image))}
        about = {"model": name, "prompt": prompt, "options": options, "image": source}
        found.append(about | {"width": drawn.width, "height": drawn.height, "pixels": coded(np.asarray(drawn))})
    return found


def coded(array: np.ndarray) -> str:
    """Bytes as base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def main() -> None:
    """Write them."""
    golden = {
        **noises(),
        "tokens": tokens(),
        "samplers": sampled(),
        "resized": resized(),
        "drawings": drawings(),
    }
    TARGET.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
