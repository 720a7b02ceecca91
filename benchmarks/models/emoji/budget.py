"""How long and how fast a training step of this folder learns, and the options that say so."""

from __future__ import annotations

import argparse
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch


@final
@dataclass(frozen=True, slots=True)
class Run:
    """How long and how to train.

    Attributes:
        work: Folder of the training run: data, checkpoints, logs.
        name: Name of this stage; its checkpoint is `checkpoints/NAME.pt`.
        minutes: Training time for the whole stage, if `steps` is 0.
        steps: Number of steps for the whole stage.
        rate: Peak learning rate.
        seed: Fixes weights, batches, noise and captions (for the same number of workers and steps).
        ema: Decay of the averaged weights that are kept in the end.
        save_minutes: Time between checkpoints.
        flat: Share of the budget after which the learning rate begins to fall.
    """

    work: Path
    name: str
    minutes: float = 0.0
    steps: int = 0
    rate: float = 2e-3
    seed: int = 0
    ema: float = 0.998
    save_minutes: float = 3.0
    flat: float = 0.35

    @property
    def checkpoint(self) -> Path:
        """Where this stage's state is kept."""
        return self.work / "checkpoints" / f"{self.name}.pt"

    def share(self, seconds: float) -> float:
        """The share of the budget that one step of `seconds` uses."""
        return 1 / self.steps if self.steps else seconds / (60 * self.minutes)


def rate_at(progress: float, *, flat: float) -> float:
    """Learning rate as a share of its peak: 2 % warm-up, flat, then a cosine down to 1 %."""
    if progress < 0.02:
        return max(progress / 0.02, 0.01)
    if progress < flat:
        return 1.0
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min((progress - flat) / (1 - flat), 1.0)))


def options(description: str | None, *, minutes: float, batch: int, rate: float) -> argparse.ArgumentParser:
    """The options that every training stage has, with the stage's own defaults."""
    parser = plain_options(description)
    parser.add_argument("--minutes", type=float, default=minutes, help="training time (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=0, help="train by steps instead of minutes")
    parser.add_argument("--batch", type=int, default=batch, help="examples per worker and step (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=rate, help="peak learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    workers = 1 if torch.cuda.is_available() else min(2, os.cpu_count() or 1)
    parser.add_argument("--workers", type=int, default=workers, help="processes (default here: %(default)s)")
    return parser


def plain_options(description: str | None) -> argparse.ArgumentParser:
    """The one option that every step has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of this training run")
    return parser


def run_of(arguments: argparse.Namespace, name: str, *, ema: float, flat: float = 0.35) -> Run:
    """The settings of a stage from its parsed options."""
    return Run(
        arguments.work,
        name,
        minutes=arguments.minutes,
        steps=arguments.steps,
        rate=arguments.rate,
        seed=arguments.seed,
        ema=ema,
        flat=flat,
    )
