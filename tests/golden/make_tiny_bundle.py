"""Make ``bundle/``: a whole bundle of the Stable Diffusion family in a few kilobytes, and a U-Net that takes its time.

    python tests/golden/make_tiny_bundle.py

Needs onnx and NumPy (1.23.2 and 2.4.6 when it was made), and ``tokenizer/`` beside it. The graphs have the inputs and
outputs of real ones and weights from ``numpy.random.default_rng(0)``: what they draw is no picture, but depends on the
prompt, the seed and every step. ``slow_unet.onnx`` is the same U-Net behind a loop that lasts about half a minute.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgediff_runtimes.families import Configs, family_of
from edgediff_runtimes.recipe import Recipe

HERE = Path(__file__).parent
BUNDLE = HERE / "bundle"
OPSET, IR_VERSION = 17, 8  # old enough for every ONNX Runtime that the project allows
CHANNELS, FACTOR, HIDDEN = 4, 8, 8
SLOW_TRIPS, SLOW_SIZE = 100_000, 256
LATENT = ["batch", CHANNELS, "height", "width"]
PIXELS = ["batch", 3, "pixel_height", "pixel_width"]
F32, I64 = TensorProto.FLOAT, TensorProto.INT64

rng = np.random.default_rng(0)


def weights(name: str, *shape: int, scale: float) -> onnx.TensorProto:
    """Normal weights of a given deviation."""
    return numpy_helper.from_array((scale * rng.standard_normal(shape)).astype(np.float32), name)


def constant(name: str, values: Any, dtype: type) -> onnx.TensorProto:
    """An initializer."""
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def text_encoder() -> onnx.GraphProto:
    """``last_hidden_state = sin(ids * frequencies)``: every token and every place tells."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=F32),
        helper.make_node("Unsqueeze", ["ids", "last"], ["column"]),
        helper.make_node("Mul", ["column", "frequencies"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["last_hidden_state"]),
    ]
    return helper.make_graph(
        nodes,
        "text_encoder",
        [helper.make_tensor_value_info("input_ids", I64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("last_hidden_state", F32, ["batch", "sequence", HIDDEN])],
        [constant("last", [-1], np.int64), weights("frequencies", HIDDEN, scale=0.1)],
    )


def unet(*, slow: bool) -> onnx.GraphProto:
    """A convolution of the sample, shifted by the mean of the prompt and by the time step."""
    nodes = [
        helper.make_node("Conv", ["sample", "kernel"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["encoder_hidden_states"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "projection"], ["shift"]),
        helper.make_node("Unsqueeze", ["shift", "picture_axes"], ["shift_map"]),
        helper.make_node("Mul", ["timestep", "per_step"], ["time"]),
        helper.make_node("Add", ["features", "shift_map"], ["shifted"]),
        helper.make_node("Add", ["shifted", "time"], ["timed"]),
    ]
    initializers = [
        weights("kernel", CHANNELS, CHANNELS, 3, 3, scale=0.15),
        weights("projection", HIDDEN, CHANNELS, scale=0.5),
        constant("picture_axes", [2, 3], np.int64),
        constant("per_step", 1e-3, np.float32),
    ]
    if slow:
        nodes += delay("timed", "out_sample")
        initializers += [
            constant("square", [SLOW_SIZE, SLOW_SIZE], np.int64),
            constant("trips", SLOW_TRIPS, np.int64),
            constant("nothing", 0, np.float32),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["timed"], ["out_sample"]))
    return helper.make_graph(
        nodes,
        "unet",
        [
            helper.make_tensor_value_info("sample", F32, LATENT),
            helper.make_tensor_value_info("timestep", F32, []),
            helper.make_tensor_value_info("encoder_hidden_states", F32, ["batch", "sequence", HIDDEN]),
        ],
        [helper.make_tensor_value_info("out_sample", F32, LATENT)],
        initializers,
    )


def delay(source: str, target: str) -> list[onnx.NodeProto]:
    """``target = source + 0 * (mean of a matrix after many products)``: long, and interruptible at every product."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still_go_on"]),
            helper.make_node("MatMul", ["matrix", "state"], ["next_state"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("trip", I64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", F32, [SLOW_SIZE, SLOW_SIZE]),
        ],
        [
            helper.make_tensor_value_info("still_go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next_state", F32, [SLOW_SIZE, SLOW_SIZE]),
        ],
    )
    entry = helper.make_tensor("value", F32, [1], [1 / SLOW_SIZE])
    return [
        helper.make_node("ConstantOfShape", ["square"], ["matrix"], value=entry),
        helper.make_node("Loop", ["trips", "", "matrix"], ["product"], body=body),
        helper.make_node("ReduceMean", ["product"], ["product_mean"], keepdims=0),
        helper.make_node("Mul", ["product_mean", "nothing"], ["zero"]),
        helper.make_node("Add", [source, "zero"], [target]),
    ]


def vae_decoder() -> onnx.GraphProto:
    """Latent channels to colours, each latent pixel a square of ``FACTOR`` pixels."""
    nodes = [
        helper.make_node("Conv", ["latent_sample", "colours"], ["small"]),
        helper.make_node("Resize", ["small", "", "scales"], ["large"], mode="nearest"),
        helper.make_node("Tanh", ["large"], ["sample"]),
    ]
    return helper.make_graph(
        nodes,
        "vae_decoder",
        [helper.make_tensor_value_info("latent_sample", F32, LATENT)],
        [helper.make_tensor_value_info("sample", F32, PIXELS)],
        [
            weights("colours", 3, CHANNELS, 1, 1, scale=0.1),
            constant("scales", [1, 1, FACTOR, FACTOR], np.float32),
        ],
    )


def vae_encoder() -> onnx.GraphProto:
    """Mean colour of each square to mean and log-variance of the latent channels."""
    nodes = [
        helper.make_node("AveragePool", ["sample"], ["small"], kernel_shape=[FACTOR] * 2, strides=[FACTOR] * 2),
        helper.make_node("Conv", ["small", "channels"], ["latent_parameters"]),
    ]
    return helper.make_graph(
        nodes,
        "vae_encoder",
        [helper.make_tensor_value_info("sample", F32, PIXELS)],
        [helper.make_tensor_value_info("latent_parameters", F32, ["batch", 2 * CHANNELS, "height", "width"])],
        [weights("channels", 2 * CHANNELS, 3, 1, 1, scale=3.0)],
    )


def save(graph: onnx.GraphProto, path: Path) -> None:
    """Check a graph and save it."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name = "tests/golden/make_tiny_bundle.py"
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def component(graph: onnx.GraphProto, bundle: Path = BUNDLE) -> dict[str, Any]:
    """A component of the manifest, its graph saved in a bundle."""
    path = bundle / graph.name / "model.onnx"
    save(graph, path)
    return {
        "format": "onnx",
        "precision": "fp32",
        "files": [file_entry(path, bundle)],
        "inputs": [tensor(value) for value in graph.input],
        "outputs": [tensor(value) for value in graph.output],
        "tolerance": 1e-4,
        "checks": [],
        "operators": {},
    }


def file_entry(path: Path, bundle: Path = BUNDLE) -> dict[str, Any]:
    """A file of a bundle as the manifest has it."""
    data = path.read_bytes()
    relative = path.relative_to(bundle).as_posix()
    return {"path": relative, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def tensor(value: onnx.ValueInfoProto) -> dict[str, Any]:
    """An input or output as the manifest has it."""
    kind = value.type.tensor_type
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    return {"name": value.name, "dtype": dtype, "shape": [axis.dim_param or axis.dim_value for axis in kind.shape.dim]}


SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


VAE = {"block_out_channels": [8, 8, 8, 8], "latent_channels": CHANNELS, "scaling_factor": 0.5}
PREVIEW = ((0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (0.0, 0.0, 0.1), (0.05, 0.05, 0.05), (0.5, 0.5, 0.5))


def recipe() -> dict[str, Any]:
    """The recipe of the family, with a preview map."""
    configs = Configs({"_class_name": "StableDiffusionPipeline"}, {"unet": {"sample_size": 8}, "vae": VAE})
    stage = family_of(configs.class_name).recipe(configs).first
    made = Recipe((replace(stage, space=replace(stage.space, preview=PREVIEW)),))
    return {"tasks": list(made.tasks), "parts": list(made.parts), "stages": made.written()}


def main() -> None:
    """Write the bundle and the slow U-Net."""
    shutil.rmtree(BUNDLE, ignore_errors=True)
    shutil.copytree(HERE / "tokenizer" / "pad-end", BUNDLE / "tokenizer")
    graphs = [text_encoder(), unet(slow=False), vae_decoder(), vae_encoder()]
    manifest = {
        "family": "stable-diffusion",
        **recipe(),
        "components": {graph.name: component(graph) for graph in graphs},
        "scheduler": SCHEDULER,
        "tokenizers": [
            {
                "path": "tokenizer",
                "max_tokens": 12,
                "files": [file_entry(path) for path in sorted((BUNDLE / "tokenizer").iterdir())],
                "kind": "clip",
            }
        ],
        "defaults": {"steps": 3, "guidance": 3.0, "width": 64, "height": 64},
        "provenance": {
            "source": "tests/golden/make_tiny_bundle.py",
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
    (BUNDLE / "scheduler").mkdir()
    (BUNDLE / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=2) + "\n")
    (BUNDLE / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}, indent=2) + "\n")
    (BUNDLE / "unet" / "config.json").write_text(json.dumps({"sample_size": 8}) + "\n")
    (BUNDLE / "vae_decoder" / "config.json").write_text(json.dumps(VAE) + "\n")
    (BUNDLE / "edgediff.json").write_text(json.dumps(manifest, indent=2) + "\n")
    rng.bit_generator.state = np.random.default_rng(0).bit_generator.state
    save(unet(slow=True), HERE / "slow_unet.onnx")


if __name__ == "__main__":
    main()
