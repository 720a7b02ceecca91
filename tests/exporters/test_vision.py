"""A language model that looks at pictures, against transformers' own, without an export."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2VLImageProcessorPil

from edgediff_exporters.modules.language_models import qwen2_vl_text, states_after
from edgediff_exporters.modules.vision import seeing_states, vision_tower
from edgediff_runtimes.families import Configs, family_of
from edgediff_runtimes.parts import Value, run_part
from edgediff_runtimes.recipe.declarations import PictureTextIds, WindowPatches

MARK = 7
EYES = {
    "depth": 3,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_heads": 2,
    "out_hidden_size": 16,
    "window_size": 56,
    "fullatt_block_indexes": [1],
    "initializer_range": 0.3,
}
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 30,
    "initializer_range": 0.2,
    "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 10_000.0},
}
SIZES = [[(150, 90)], [(112, 112)], [(30, 200)], [(84, 60), (150, 90)]]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = Qwen2_5_VLConfig(text_config=TEXT, vision_config=EYES, image_token_id=MARK)
    return Qwen2_5_VLForConditionalGeneration(config).eval()


@pytest.fixture(scope="module")
def graphs(model):
    """The two components, each with the model's weights."""
    config, found = model.config.to_dict(), {}
    for plan in (
        vision_tower("vision_encoder", config, origin="text_encoder"),
        seeing_states("text_encoder", config, build=qwen2_vl_text, takes=states_after([2])),
    ):
        module, weights = plan.build(config).eval(), {}
        for name, tensor in model.state_dict().items():
            weights[plan.rename(name)] = tensor
        own = {name: weights[name].reshape(one.shape) for name, one in module.state_dict().items()}
        module.load_state_dict(own)
        found[plan.role] = (plan, module)
    return found


@pytest.fixture
def compute(graphs):
    """The first output of a component, of values by name."""

    def of(role, feeds):
        plan, module = graphs[role]
        with torch.no_grad():
            return plan.forward(module, *(torch.from_numpy(feeds[one.name]) for one in plan.inputs))[0].numpy()

    return of


@pytest.fixture
def given():
    """The parts of the recipe that make pictures and places, run: the value of a name."""
    by_name = {
        "processor": {},
        "text_encoder": {
            "num_hidden_layers": 2,
            "vision_config": {"patch_size": 14, "spatial_merge_size": 2, "window_size": 56},
            "image_token_id": MARK,
        },
        "vae": {"z_dim": 1, "temperal_downsample": [1], "latents_mean": [0.5], "latents_std": [2.0]},
    }
    recipe = family_of("QwenImageEditPipeline").recipe(Configs({"_class_name": "QwenImageEditPipeline"}, by_name))
    parts = {type(part): part for part in recipe.first.given}

    def of(kind, values, images=(), size=(0, 0)):
        context = SimpleNamespace(
            stage="base",
            settings=SimpleNamespace(width=size[0], height=size[1]),
            pictures=dict(zip(("image", "image_2"), images, strict=False)),
            values={name: Value(value) for name, value in values.items()},
            array=lambda name: context.values[name].array,
        )
        run_part(parts[kind], context)
        return {name: value.array for name, value in context.values.items()}

    return of


def _seen(given, images):
    """Pictures of one size each: several are cut one by one and put together, as the part does for its own area."""
    return [given(WindowPatches, {}, [image], image.size) for image in images]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_what_is_seen_and_read_is_what_transformers_sees_and_reads(model, compute, given, sizes):
    colours = np.random.default_rng(0).integers(0, 256, (len(sizes), 200, 200, 3), np.uint8)
    images = [Image.fromarray(one[:high, :wide]) for one, (wide, high) in zip(colours, sizes, strict=True)]
    theirs = Qwen2VLImageProcessorPil()(images=images, return_tensors="pt")
    pixels, grids = theirs["pixel_values"], theirs["image_grid_thw"]
    with torch.no_grad():
        expected = model.model.visual(pixels, grids).pooler_output.numpy()

    each = _seen(given, images)
    first = 0
    for number, one in enumerate(each, 1):
        one["patch_pictures"] = one["patch_pictures"] * number
        one["order"], first = one["order"] + first, first + one["patches"].shape[0] * 4
    names = {"pixel_values": "patches", "patch_positions": "patch_places", "patch_pictures": "patch_pictures"}
    names |= {"token_order": "order"}
    feeds = {name: np.concatenate([one[value] for one in each]) for name, value in names.items()}
    seen = compute("vision_encoder", feeds)
    assert np.abs(seen - expected).max() <= 1e-5 * np.abs(expected).max()

    grid = np.concatenate([one["grids"] for one in each])
    assert grid.tolist() == (grids[:, 1:] // 2).tolist()
    row = [3, 4]
    for rows, columns in grid:
        row += [5, *[MARK] * int(rows * columns), 6]
    ids = np.array([[*row, 1, 2, 0, 0], [*row, 2, 3, 4, 5]])
    mask = np.array([[1] * (len(row) + 2) + [0, 0], [1] * (len(row) + 4)])
    places = given(PictureTextIds, {"ids": ids, "mask": mask, "grids": grid})["id_places"]
    tokens, whole = torch.from_numpy(ids), torch.from_numpy(mask)
    with torch.no_grad():
        states = (
            model(
                input_ids=tokens,
                attention_mask=whole,
                mm_token_type_ids=(tokens == MARK).int(),
                pixel_values=torch.cat([pixels, pixels]),
                image_grid_thw=torch.cat([grids, grids]),
                output_hidden_states=True,
            )
            .hidden_states[-1]
            .numpy()
        )
    read = compute(
        "text_encoder", {"input_ids": ids, "attention_mask": mask, "position_ids": places, "image_embeds": seen}
    )
    assert np.abs(read - states)[mask == 1].max() <= 1e-5 * np.abs(states).max()
