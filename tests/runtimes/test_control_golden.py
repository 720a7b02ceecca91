"""ControlNets without PyTorch: what diffusers drew with two beside a tiny model is drawn again, call by call.

``tests/golden/make_control_golden.py`` made the golden, and tells what is in it. A graph answers what its module
answered, and only where it is fed what the module was fed. Bound: 1e-4 of the largest value.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from grown_bundles import grown
from PIL import Image

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

GOLDEN = Path(__file__).parents[1] / "golden"
BOUND = 1e-4


class Played:
    """Calls of graphs, answered in their order."""

    def __init__(self, arrays):
        self.calls = {}
        for key, array in arrays.items():
            number, *rest = key.split("/", 3)
            if number.isdecimal():
                role, way, name = rest
                feeds, answers = self.calls.setdefault(int(number), (role, {}, {}))[1:]
                (feeds if way == "in" else answers)[name] = array
        self.done = 0

    def __call__(self, role, feeds):
        expected, wanted, answers = self.calls[self.done]
        self.done += 1
        assert (role, feeds.keys()) == (expected, wanted.keys()), self.done
        for name, array in feeds.items():
            assert array.shape == wanted[name].shape, (self.done, name)
            assert np.abs(array - wanted[name]).max() <= BOUND * max(np.abs(wanted[name]).max(), 1e-9), (
                self.done,
                name,
            )
        return answers or {"sample": np.zeros((len(array), 3, 8, 8), np.float32)}

    def asked(self):
        return [role for role, _, _ in self.calls.values() if role.startswith(("controlnet", "unet"))]


@pytest.fixture
def play(tmp_path):
    """Draws it again, with changes; gives back the calls."""
    with zipfile.ZipFile(GOLDEN / "families" / "stable-diffusion-xl.zip") as archive:
        archive.extractall(tmp_path)
    with np.load(GOLDEN / "control.npz") as file:
        arrays = dict(file)
    asked = json.loads(str(arrays["asked"]))
    pictures = [Image.fromarray(arrays[f"picture/{index}"]) for index in (0, 1)]

    def play(**changes):
        played = Played(arrays)
        bundle = grown(Bundle.open(tmp_path / "bundle"), 2, skips=4)
        with Pipeline(bundle, Placement(engine=FakeEngine(played))) as pipeline:
            result = pipeline(**{**asked, "control_image": pictures, **changes})
        assert played.done == len(played.calls)
        assert np.abs(result.latents - arrays["latents"]).max() <= BOUND * np.abs(arrays["latents"]).max()
        return played

    return play


def test_draws_what_diffusers_drew(play):
    asked = play().asked()
    # The first is for the calls up to 70 % of them, the second for those from 30 % on.
    both = ["controlnet", "controlnet_2", "unet"]
    assert asked == ["controlnet", "unet"] * 2 + both + ["controlnet_2", "unet"] * 2


@pytest.mark.parametrize(
    "changes",
    [{"control_scale": [0.8, 0.6]}, {"control_start": [0.0, 0.5]}, {"control_image": None}, {"seed": 8}],
    ids=str,
)
def test_what_is_asked_otherwise_is_told_apart(play, changes):
    about = ("control_scale", "control_start", "control_end")
    if "control_image" in changes:
        changes = {**changes, **dict.fromkeys(about)}
    with pytest.raises(AssertionError):
        play(**changes)
