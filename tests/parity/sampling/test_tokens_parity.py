"""Samplers of discrete tokens against diffusers: every token of every step is equal."""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import torch
from fake_network import SEED

from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import build_sampler


def logits(x: np.ndarray, t: int, classes: int) -> np.ndarray:
    """Scores of the next tokens, (batch, tokens, classes), from the tokens themselves."""
    phase = np.arange(classes)[None, None, :] * 0.37 + x.reshape(x.shape[0], -1)[:, :, None] * 0.11 + 0.05 * float(t)
    return (2.5 * np.sin(phase * 1.7)).astype(np.float32)


@pytest.mark.parametrize(("steps", "train"), [(10, 100), (100, 100), (7, 50)])
def test_vq_diffusion(steps: int, train: int) -> None:
    classes = 12
    scheduler = diffusers.VQDiffusionScheduler(num_vec_classes=classes, num_train_timesteps=train)
    scheduler.set_timesteps(steps)
    sampler = build_sampler(
        {"_class_name": "VQDiffusionScheduler", "num_vec_classes": classes, "num_train_timesteps": train}, steps
    )

    def model(x, t):
        return (
            torch.log_softmax(torch.from_numpy(logits(np.asarray(x), int(t), classes - 1)), -1).permute(0, 2, 1).numpy()
        )

    first = np.full((2, 30), classes - 1)
    x, generator = torch.from_numpy(first), torch.Generator().manual_seed(SEED)
    assert sampler.timesteps.tolist() == scheduler.timesteps.tolist()
    steps_made = sampler.iterate(model, first, rng=noise_source(SEED))
    for step, t in zip(steps_made, scheduler.timesteps, strict=True):
        x = scheduler.step(torch.from_numpy(model(x.numpy(), t)), t, x, generator=generator).prev_sample
        np.testing.assert_array_equal(step.sample, x.numpy())


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("temperature", [(2, 0), (4, 1), 1])
@pytest.mark.parametrize("two_dimensions", [True, False])
def test_amused(schedule: str, temperature, two_dimensions) -> None:
    classes, mask, steps = 16, 15, 6
    scheduler = diffusers.AmusedScheduler(mask_token_id=mask, masking_schedule=schedule)
    scheduler.set_timesteps(steps, temperature=temperature)
    config = {"_class_name": "AmusedScheduler", "mask_token_id": mask, "masking_schedule": schedule}
    sampler = build_sampler(config, steps, temperature=temperature)
    shape = (2, 5, 6) if two_dimensions else (2, 30)

    def model(x, t):
        raw = logits(np.asarray(x), int(t), classes)
        return raw.transpose(0, 2, 1).reshape(2, classes, 5, 6) if two_dimensions else raw

    first = np.full(shape, mask)
    x, generator = torch.from_numpy(first), torch.Generator().manual_seed(SEED)
    assert sampler.timesteps.tolist() == scheduler.timesteps.tolist()
    for step, t in zip(sampler.iterate(model, first, rng=noise_source(SEED)), scheduler.timesteps, strict=True):
        out = scheduler.step(torch.from_numpy(model(x.numpy(), t).copy()), t, x, generator=generator)
        x = out.prev_sample
        np.testing.assert_array_equal(step.sample, x.numpy())
        np.testing.assert_array_equal(step.denoised, out.pred_original_sample.numpy())
    assert (step.sample != mask).any()
