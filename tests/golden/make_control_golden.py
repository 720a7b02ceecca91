"""Make ``control.npz``: what diffusers draws with two ControlNets beside a tiny Stable Diffusion XL, and all calls.

    python tests/golden/make_control_golden.py

The model is that of ``families/stable-diffusion-xl.zip``, whose bundle the test takes; the ControlNets are random. In
place of each graph stands its module. What is drawn here with these must be what diffusers draws, or nothing is
written. The file holds ``asked``, JSON: prompt and options; ``picture/N``, what steers; ``latents``, diffusers' final
latents; and for each call ``CALL/ROLE/in/NAME`` and ``CALL/ROLE/out/NAME``, whole arrays, without decoded pictures.
"""

from __future__ import annotations

import copy
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from drawn_by_families import MODELS, SEED, module_of
from PIL import Image

from edgediff_exporters.opening import open_model
from edgediff_exporters.reference import run_reference
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.families.control import given_residuals, taken_residuals
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

HERE = Path(__file__).parent
BOUND, SKIPS, STEPS = 1e-4, 4, 5
SIZE = (24, 16)
ASKED: dict[str, Any] = {
    "negative_prompt": "dull",
    "guidance": 5.0,
    "steps": STEPS,
    "seed": SEED,
    "width": SIZE[0],
    "height": SIZE[1],
    "control_scale": [0.8, 0.5],
    "control_start": [0.0, 0.3],
    "control_end": [0.7, 1.0],
}
PROMPT = "a red apple"


def main() -> None:
    """Draw both ways and keep the calls."""
    models = module_of(HERE.parent / "exporters" / "conftest.py")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = MODELS["stable-diffusion-xl"]
        model.build(folder / "source", tokenizer=models.write_tokenizer, perturb=models.perturb)
        with zipfile.ZipFile(HERE / "families" / "stable-diffusion-xl.zip") as archive:
            archive.extractall(folder / "golden")
        base = model.load(folder / "source")
        nets = [_controlnet(base.unet, seed, models.perturb) for seed in (1, 2)]
        pictures = [_picture(turn) for turn in (0, 1)]
        latents = _by_diffusers(base, nets, pictures)
        calls: list[tuple[str, dict[str, np.ndarray], dict[str, np.ndarray]]] = []
        compute = _computing(folder / "source", base.unet, nets, calls)
        grown = module_of(HERE.parent / "runtimes" / "grown_bundles.py").grown
        bundle = grown(Bundle.open(folder / "golden" / "bundle"), len(nets), skips=SKIPS)
        with Pipeline(bundle, Placement(engine=FakeEngine(compute))) as ours:
            result = ours(PROMPT, **ASKED, control_image=pictures)
    error = np.abs(result.latents - latents).max() / np.abs(latents).max()
    print(f"{error:.1e} of the largest")  # noqa: T201 - a script reports by printing
    if not error <= BOUND:
        raise SystemExit("it is not drawn as diffusers draws it")
    arrays = {f"picture/{index}": np.asarray(picture) for index, picture in enumerate(pictures)}
    for number, (role, feeds, outputs) in enumerate(calls):
        arrays |= {f"{number}/{role}/in/{name}": array for name, array in feeds.items()}
        arrays |= {f"{number}/{role}/out/{name}": array for name, array in outputs.items()}
    asked = np.array(json.dumps({"prompt": PROMPT, **ASKED}))
    np.savez_compressed(HERE / "control.npz", asked=asked, latents=latents, **arrays)


def _controlnet(unet: Any, seed: int, perturb: Any) -> Any:
    torch.manual_seed(seed)
    net = diffusers.ControlNetModel.from_unet(
        unet, conditioning_embedding_out_channels=(4, 8), load_weights_from_unet=False
    )
    return perturb(net).eval()


def _picture(turn: int) -> Image.Image:
    """A bar on a slope, of another size than what is drawn."""
    y, x = np.mgrid[0:40, 0:40]
    levels = np.stack([np.where(abs(x - y) < 6, 250, 30), 6 * x, 6 * y], axis=-1).astype(np.uint8)
    return Image.fromarray(np.rot90(levels, turn).copy())


def _by_diffusers(base: Any, nets: list[Any], pictures: list[Image.Image]) -> np.ndarray:
    parts = {**base.components, "scheduler": copy.deepcopy(base.scheduler)}
    pipeline = diffusers.StableDiffusionXLControlNetPipeline(**parts, controlnet=nets, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    latents: torch.Tensor = pipeline(
        prompt=PROMPT,
        negative_prompt=ASKED["negative_prompt"],
        image=pictures,
        width=SIZE[0],
        height=SIZE[1],
        num_inference_steps=STEPS,
        guidance_scale=ASKED["guidance"],
        controlnet_conditioning_scale=ASKED["control_scale"],
        control_guidance_start=ASKED["control_start"],
        control_guidance_end=ASKED["control_end"],
        generator=torch.Generator("cpu").manual_seed(SEED),
        output_type="latent",
    ).images
    return latents.numpy()


def _computing(source: Path, unet: Any, nets: list[Any], calls: list[Any]) -> Any:
    """What answers for the graphs, and keeps what it was asked and what it answered."""
    opened = open_model(source, config=None)
    plans = {plan.role: plan for plan in opened.plans}

    def compute(role: str, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in feeds.items()}
        with torch.no_grad():
            if role.startswith("controlnet"):
                down, middle = nets[role != "controlnet"](
                    *(tensors[name] for name in ("sample", "timestep", "encoder_hidden_states", "controlnet_cond")),
                    conditioning_scale=tensors["conditioning_scale"],
                    added_cond_kwargs=tensors,
                    return_dict=False,
                )
                outputs = dict(zip(given_residuals(SKIPS), (*down, middle), strict=True))
            elif role == "unet":
                *down, middle = (tensors[name] for name in taken_residuals(SKIPS))
                answer = unet(
                    *(tensors[name] for name in ("sample", "timestep", "encoder_hidden_states")),
                    added_cond_kwargs=tensors,
                    down_block_additional_residuals=tuple(down),
                    mid_block_additional_residual=middle,
                )
                outputs = {"out_sample": answer.sample}
            else:
                plan = plans[role]
                weights = opened.source.weights(plan.origin).renamed(plan.rename)
                inputs = [tensors[one.name] for one in plan.inputs]
                (found,) = run_reference(plan, opened.source.config(plan.origin), weights, [inputs])
                outputs = dict(zip(plan.outputs, found, strict=True))
        named = {name: tensor.numpy() for name, tensor in outputs.items()}
        calls.append((role, dict(feeds), {} if role.startswith("vae") else named))
        return named

    return compute


if __name__ == "__main__":
    main()
