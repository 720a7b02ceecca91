"""Make ``labels/`` and ``pixels/``: whole bundles of models without text, a DiT and a DDPM, in a few kilobytes each.

    python tests/golden/make_textless_bundles.py

Needs onnx and NumPy, as ``make_tiny_bundle.py`` beside it. The graphs have the inputs and outputs of real ones and
random weights: what they draw is no picture, but depends on the label, the seed and every step.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from make_tiny_bundle import CHANNELS, F32, HERE, I64, SCHEDULER, VAE, component, constant, vae_decoder, weights
from onnx import helper

from edgediff_runtimes.families import Configs, family_of

CLASSES, SIDE = 10, 8  # classes; latent pixels
NAMES = {"0": "tench, Tinca tinca", "1": "goldfish", "7": "golden retriever"}
LATENT = ["batch", CHANNELS, SIDE, SIDE]
PIXELS = ["batch", 3, "height", "width"]


def transformer() -> onnx.GraphProto:
    """A convolution of the sample, shifted by the label's row and the time step; and a variance behind it."""
    nodes = [
        helper.make_node("Conv", ["hidden_states", "kernel"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("Gather", ["rows", "class_labels"], ["shift"]),
        helper.make_node("Unsqueeze", ["shift", "picture_axes"], ["shift_map"]),
        helper.make_node("Mul", ["timestep", "per_step"], ["time"]),
        helper.make_node("Add", ["features", "shift_map"], ["shifted"]),
        helper.make_node("Add", ["shifted", "time"], ["out_hidden_states"]),
    ]
    return helper.make_graph(
        nodes,
        "transformer",
        [
            helper.make_tensor_value_info("hidden_states", F32, LATENT),
            helper.make_tensor_value_info("timestep", F32, [1]),
            helper.make_tensor_value_info("class_labels", I64, ["batch"]),
        ],
        [helper.make_tensor_value_info("out_hidden_states", F32, ["batch", 2 * CHANNELS, SIDE, SIDE])],
        [
            weights("kernel", 2 * CHANNELS, CHANNELS, 3, 3, scale=0.15),
            weights("rows", CLASSES + 1, 2 * CHANNELS, scale=0.5),
            constant("picture_axes", [2, 3], np.int64),
            constant("per_step", 1e-3, np.float32),
        ],
    )


def unet() -> onnx.GraphProto:
    """A convolution of the picture, shifted by the time step."""
    nodes = [
        helper.make_node("Conv", ["sample", "kernel"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("Mul", ["timestep", "per_step"], ["time"]),
        helper.make_node("Add", ["features", "time"], ["out_sample"]),
    ]
    return helper.make_graph(
        nodes,
        "unet",
        [
            helper.make_tensor_value_info("sample", F32, PIXELS),
            helper.make_tensor_value_info("timestep", F32, [1]),
        ],
        [helper.make_tensor_value_info("out_sample", F32, PIXELS)],
        [weights("kernel", 3, 3, 3, 3, scale=0.2), constant("per_step", 1e-4, np.float32)],
    )


def write(place: Path, graphs: list[onnx.GraphProto], configs: Configs, scheduler: dict[str, Any]) -> None:
    """A bundle of these graphs."""
    shutil.rmtree(place, ignore_errors=True)
    family = family_of(configs.class_name)
    recipe, defaults = family.recipe(configs), family.defaults(configs)
    manifest = {
        "family": family.name,
        "tasks": list(recipe.tasks),
        "parts": list(recipe.parts),
        "stages": recipe.written(),
        "components": {graph.name: component(graph, place) for graph in graphs},
        "scheduler": scheduler,
        "tokenizers": [],
        "defaults": {"steps": 3, "guidance": 3.0, "width": defaults.width, "height": defaults.height},
        "provenance": {
            "source": "tests/golden/make_textless_bundles.py",
            "source_sha256": None,
            "tools": {"onnx": onnx.__version__},
            "command": None,
            "date": None,
            "licence": "Apache-2.0",
            "card": None,
        },
        "quality": None,
        "format_version": "1.0",
    }
    (place / "edgediff.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Write both."""
    dit = {"num_embeds_ada_norm": CLASSES, "sample_size": SIDE}
    write(
        HERE / "labels",
        [transformer(), vae_decoder()],
        Configs({"_class_name": "DiTPipeline", "id2label": NAMES}, {"transformer": dit, "vae": VAE}),
        SCHEDULER,
    )
    ddpm = {"sample_size": 16, "in_channels": 3, "block_out_channels": [8, 8]}
    write(
        HERE / "pixels",
        [unet()],
        Configs({"_class_name": "DDPMPipeline"}, {"unet": ddpm}),
        {"_class_name": "DDPMScheduler", "num_train_timesteps": 1000},
    )


if __name__ == "__main__":
    main()
