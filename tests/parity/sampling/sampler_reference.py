"""The reference: diffusers' schedulers, driven as its pipelines drive them, around a fake nonlinear network."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass, field
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers.utils import logging
from fake_network import POLICY, SCORE, SEED, SIGMA_SCORE

logging.set_verbosity_error()

SHAPE = (2, 4, 6, 5)


@dataclass(frozen=True)
class Case:
    """One configuration of one class."""

    name: str
    config: dict[str, Any]
    steps: int | None = 7
    call: dict[str, Any] = field(default_factory=dict)
    strength: float | None = None
    shape: tuple[int, ...] = SHAPE
    channels: int = 1  # how many times the channels of x the network returns; SCORE and SIGMA_SCORE below
    tolerance: float = 1e-4  # of max |x|
    t_atol: float = 1e-4  # of fractional timesteps

    @property
    def from_picture(self) -> bool:
        """Whether it starts from a picture: the last part of the schedule, or one that was made for a strength."""
        return self.strength is not None or "strength" in self.call

    def needs(self) -> tuple[str, ...]:
        """What diffusers imports for this case, beside torch."""
        name = self.config["_class_name"]
        if name in ("DPMSolverSDEScheduler", "CosineDPMSolverMultistepScheduler"):
            return ("scipy", "torchsde")
        return ("scipy",) if name.startswith("LMS") or self.config.get("use_beta_sigmas") else ()

    def __str__(self) -> str:
        return f"{self.config['_class_name']}-{self.name}"


def fake_torch(x: torch.Tensor, t: torch.Tensor, channels: int = 1) -> torch.Tensor:
    """A smooth, bounded, nonlinear network."""
    if channels == POLICY:
        return torch.cat([0.7 * torch.tanh(x + 0.1 * i) for i in range(10)], dim=-1)
    phase = float(t) * 0.004
    if channels in (SCORE, SIGMA_SCORE):
        return (0.5 * torch.tanh(x) - x) * ((float(t) if channels == SIGMA_SCORE else 1.0) / (1 + float(t) ** 2))
    out = 0.7 * torch.tanh(x + 0.3 * np.sin(phase)) + 0.2 * torch.sin(2 * x + phase)
    return out if channels == 1 else torch.cat([out, 0.5 * torch.cos(x)], dim=1)


def first_noise(shape: tuple[int, ...]) -> np.ndarray:
    return torch.randn(shape, generator=torch.Generator().manual_seed(11)).numpy()


def picture(shape: tuple[int, ...]) -> np.ndarray:
    return (0.8 * torch.randn(shape, generator=torch.Generator().manual_seed(12))).numpy()


def scheduler_of(case: Case) -> Any:
    config = dict(case.config)
    name = config.pop("_class_name")
    cls = getattr(diffusers.schedulers, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cls(**config)


def set_timesteps(scheduler: Any, case: Case) -> None:
    given = {k: v for k, v in case.call.items() if k != "eta"}
    accepted = inspect.signature(scheduler.set_timesteps).parameters
    arguments = {k: v for k, v in given.items() if k in accepted}
    if "timesteps" not in arguments and "sigmas" not in arguments:
        arguments["num_inference_steps"] = case.steps
    if "sigmas" in arguments and "UniPC" in case.config["_class_name"]:
        arguments["sigmas"] = np.array(arguments["sigmas"])
    scheduler.set_timesteps(**arguments)


def run(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """The timesteps the network is called with, and the final sample."""
    scheduler = scheduler_of(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        set_timesteps(scheduler, case)
        return drive(scheduler, case)


def drive(scheduler: Any, case: Case) -> tuple[np.ndarray, np.ndarray]:
    timesteps = scheduler.timesteps
    noise = torch.from_numpy(first_noise(case.shape))
    if not case.from_picture:
        x = noise * getattr(scheduler, "init_noise_sigma", 1.0)
    else:
        n, strength = case.steps, 1.0 if case.strength is None else case.strength
        if hasattr(scheduler, "scale_noise") and not hasattr(scheduler, "add_noise"):
            begin = int(max(n - min(n * strength, n), 0)) * scheduler.order
        else:
            begin = max(n - min(int(n * strength), n), 0) * scheduler.order
        timesteps = timesteps[begin:]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(begin)
        start = torch.from_numpy(picture(case.shape))
        if hasattr(scheduler, "add_noise"):
            x = scheduler.add_noise(start, noise, timesteps[:1])
        else:
            x = scheduler.scale_noise(start, timesteps[:1], noise)
    step = inspect.signature(getattr(scheduler, "step", lambda: None)).parameters
    extra: dict[str, Any] = {k: v for k, v in case.call.items() if k in step}
    if "generator" in step:
        extra["generator"] = torch.Generator().manual_seed(SEED)
    special = DRIVERS.get(type(scheduler).__name__)
    if special is not None:
        return special(scheduler, case, x, extra)
    for t in timesteps:
        seen = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        raw = fake_torch(seen, t, case.channels)
        x = scheduler.step(raw, t, x, **extra).prev_sample
    return timesteps.numpy(), x.numpy()


def drive_cog_videoxdpm(scheduler, _case, x, extra):
    old = None
    for i, t in enumerate(scheduler.timesteps):
        back = scheduler.timesteps[i - 1] if i > 0 else None
        x, old = scheduler.step(fake_torch(x, t), old, t, back, x, **extra)
    return scheduler.timesteps.numpy(), x.numpy()


def drive_unclip(scheduler, case, x, extra):
    ts = scheduler.timesteps
    for i, t in enumerate(ts):
        before = ts[i + 1] if i + 1 < len(ts) else None
        x = scheduler.step(fake_torch(x, t, case.channels), t, x, prev_timestep=before, **extra).prev_sample
    return ts.numpy(), x.numpy()


def drive_ddpm_wuerstchen(scheduler, _case, x, extra):
    for t in scheduler.timesteps[:-1]:
        x = scheduler.step(fake_torch(x, t), t.expand(x.shape[0]), x, **extra).prev_sample
    return scheduler.timesteps[:-1].numpy(), x.numpy()


def mask_of(shape):
    mask = np.zeros(shape, np.float32)
    mask[..., : shape[-1] // 2] = 1
    return mask


def drive_re_paint(scheduler, case, x, extra):
    original, mask = torch.from_numpy(picture(case.shape)), torch.from_numpy(mask_of(case.shape))
    told, last = [], scheduler.timesteps[0] + 1
    for t in scheduler.timesteps:
        if t < last:
            told.append(int(t))
            x = scheduler.step(fake_torch(x, t), t, x, original, mask, extra["generator"]).prev_sample
        else:
            x = scheduler.undo_step(x, last, extra["generator"])
        last = t
    return np.array(told), x.numpy()


def drive_scm(scheduler, _case, x, extra):
    x = x * scheduler.config.sigma_data  # as its pipelines do
    for t in scheduler.timesteps[:-1]:
        x = scheduler.step(fake_torch(x, t), t, x, **extra).prev_sample
    return scheduler.timesteps[:-1].numpy(), x.numpy()


def drive_ltx_euler_ancestralrf(scheduler, _case, x, extra):
    told = scheduler.timesteps[: scheduler.num_inference_steps]
    for t in told:
        x = scheduler.step(fake_torch(x, t), t, x, **extra).prev_sample
    return told.numpy(), x.numpy()


def drive_score_sde_ve(scheduler, case, x, _extra):
    scheduler.set_sigmas(case.steps)
    g, told = torch.Generator().manual_seed(SEED), []
    for sigma, t in zip(scheduler.sigmas, scheduler.timesteps, strict=True):
        for _ in range(scheduler.config.correct_steps):
            told.append(float(sigma))
            x = scheduler.step_correct(fake_torch(x, sigma, case.channels), x, generator=g).prev_sample
        told.append(float(sigma))
        x = scheduler.step_pred(fake_torch(x, sigma, case.channels), t, x, generator=g).prev_sample
    return np.array(told, np.float32), x.numpy()


def drive_score_sde_vp(scheduler, _case, x, _extra):
    g = torch.Generator().manual_seed(SEED)
    for t in scheduler.timesteps:
        x, _ = scheduler.step_pred(fake_torch(x, t), x, t * torch.ones(x.shape[0]), generator=g)
    return scheduler.timesteps.numpy(), x.numpy()


def drive_karras_ve(scheduler, case, x, _extra):
    g, told = torch.Generator().manual_seed(SEED), []
    for t in scheduler.timesteps:
        sigma = scheduler.schedule[t]
        before = scheduler.schedule[t - 1] if t > 0 else 0
        x_hat, raised = scheduler.add_noise_to_input(x, sigma, generator=g)
        told.append(float(raised))
        out = scheduler.step(fake_torch(x_hat, raised, case.channels), raised, before, x_hat)
        if before != 0:
            told.append(float(before))
            raw = fake_torch(out.prev_sample, before, case.channels)
            out = scheduler.step_correct(raw, raised, before, x_hat, out.prev_sample, out["derivative"])
        x = out.prev_sample
    return np.array(told, np.float32), x.numpy()


DRIVERS = {
    "CogVideoXDPMScheduler": drive_cog_videoxdpm,
    "UnCLIPScheduler": drive_unclip,
    "DDPMWuerstchenScheduler": drive_ddpm_wuerstchen,
    "RePaintScheduler": drive_re_paint,
    "SCMScheduler": drive_scm,
    "LTXEulerAncestralRFScheduler": drive_ltx_euler_ancestralrf,
    "ScoreSdeVeScheduler": drive_score_sde_ve,
    "ScoreSdeVpScheduler": drive_score_sde_vp,
    "KarrasVeScheduler": drive_karras_ve,
}
