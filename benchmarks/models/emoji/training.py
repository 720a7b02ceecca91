"""What every training step of this folder shares: workers, a time budget, gradient averaging, checkpoints.

On a CPU two single-threaded processes each take half of a batch and average their gradients after every step; on cores
that others use too this is several times faster than one process with two threads, which wait for each other in every
layer. On a GPU there is one process.

The budget counts minutes of progress, not of the clock: a process that was stopped for a while (or a laptop that slept)
resumes where it was, and the learning rate always reaches its end. Asking for other minutes on resuming
stretches or shortens what is left.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from benchmarks.models.emoji.budget import Run, rate_at
from benchmarks.models.emoji.muon import Muon, split

DONE = 1 - 1e-9  # the sum of many equal shares is not quite one
LONGEST_STEP_S = 20.0  # a longer one was a pause, not work
Loss = Callable[[torch.Generator, float], dict[str, Tensor]]


def device() -> torch.device:
    """The GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast() -> AbstractContextManager[None]:
    """bfloat16 where it is safe: twice the speed on CPUs with AVX512-BF16 and on GPUs."""
    return torch.autocast(device().type, torch.bfloat16)


def launch(stage: Callable[[Any], None], arguments: Any) -> None:  # noqa: ANN401 - the stage's own parsed options
    """Run `stage(arguments)` in `arguments.workers` processes."""
    (arguments.work / "checkpoints").mkdir(parents=True, exist_ok=True)
    meeting = arguments.work / "checkpoints" / f".meeting-{os.getpid()}"
    if arguments.workers == 1:
        _worker(0, meeting, stage, arguments)
    else:
        os.environ["OMP_NUM_THREADS"] = "1"
        spawn(_worker, (meeting, stage, arguments), nprocs=arguments.workers)  # type: ignore[no-untyped-call]
    meeting.unlink(missing_ok=True)


def _worker(rank: int, meeting: Path, stage: Callable[[Any], None], arguments: Any) -> None:  # noqa: ANN401
    if arguments.workers > 1:
        torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)  # the same first weights in every process
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=arguments.workers)
    pids = [None] * arguments.workers
    dist.all_gather_object(pids, os.getpid())
    if rank == 0:
        running = "".join(f"{pid}\n" for pid in dict.fromkeys((os.getppid(), *pids)))
        (arguments.work / "pids").write_text(running, encoding="utf-8")
    stage(arguments)
    dist.barrier()
    if rank == 0:
        (arguments.work / "pids").write_text("", encoding="utf-8")
    dist.destroy_process_group()


@final
@dataclass(slots=True)
class _State:
    model: nn.Module
    optimisers: list[torch.optim.Optimizer]
    average: dict[str, Tensor]
    step: int = 0
    progress: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "average": self.average, "step": self.step, "progress": self.progress, "history": self.history,
        }  # fmt: skip
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, map_location=device(), weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.average = state["average"]
        self.step, self.progress, self.history = state["step"], state["progress"], state["history"]


def train(run: Run, model: nn.Module, loss: Loss) -> None:
    """Train until the budget is used; `model` then holds the averaged weights.

    Args:
        run: Budget and settings. A checkpoint of the same name is resumed.
        model: All weights that learn, as one module.
        loss: `loss(generator, progress)` draws a batch and returns named terms; the term `"loss"` is minimised.
    """
    matrices, rest = split(model)
    optimisers = [
        Muon(matrices, lr=run.rate),
        torch.optim.AdamW(rest, lr=run.rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    state = _State(model, optimisers, {name: value.clone() for name, value in model.state_dict().items()})
    if run.checkpoint.exists():
        state.load(run.checkpoint)
    weights: list[Tensor] = [weight for weight in model.parameters() if weight.requires_grad]
    saved = shown = time.monotonic()
    while state.progress < DONE:
        started = time.monotonic()
        terms = _step(run, state, weights, loss)
        seconds = min(time.monotonic() - started, LONGEST_STEP_S)
        state.progress += run.share(_agreed(seconds))
        state.step += 1
        if time.monotonic() - shown > 10 or state.step == 1 or state.progress >= DONE:
            shown = time.monotonic()
            _show(run, state, terms)
        if time.monotonic() - saved > 60 * run.save_minutes or state.progress >= DONE:
            saved = time.monotonic()
            if dist.get_rank() == 0:
                state.save(run.checkpoint)
    model.load_state_dict(state.average)


def averaged(run: Run, model: nn.Module) -> nn.Module:
    """`model` with the averaged weights of the stage's checkpoint, finished or not, ready for use."""
    model.load_state_dict(torch.load(run.checkpoint, map_location=device(), weights_only=True)["average"])
    return model.to(device()).eval()


def _step(run: Run, state: _State, weights: list[Tensor], loss: Loss) -> dict[str, Tensor]:
    worker = state.step * dist.get_world_size() + dist.get_rank()
    generator = torch.Generator(device()).manual_seed(run.seed * 1_000_003 + worker)
    torch.manual_seed(run.seed * 1_000_003 + worker)
    terms = loss(generator, state.progress)
    terms["loss"].backward()  # type: ignore[no-untyped-call]
    if dist.get_world_size() > 1:
        _average_gradients(weights)
    norm = nn.utils.clip_grad_norm_(weights, 1.0)
    for optimiser in state.optimisers:
        for group in optimiser.param_groups:
            group["lr"] = run.rate * rate_at(state.progress, flat=run.flat)
        if torch.isfinite(norm):
            optimiser.step()
        optimiser.zero_grad()
    if dist.get_rank() == 0:
        _update_average(run, state)
    return terms


def _average_gradients(weights: list[Tensor]) -> None:
    gradients = [weight.grad if weight.grad is not None else torch.zeros_like(weight) for weight in weights]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for weight, part in zip(weights, torch.split(flat, [weight.numel() for weight in weights]), strict=True):
        weight.grad = part.view(weight.shape)


@torch.no_grad()
def _update_average(run: Run, state: _State) -> None:
    decay = min(run.ema, (1 + state.step) / (10 + state.step))  # young averages forget their random start sooner
    for name, value in state.model.state_dict().items():
        if value.is_floating_point():
            state.average[name].lerp_(value, 1 - decay)
        else:
            state.average[name].copy_(value)


def _agreed(seconds: float) -> float:
    shared = torch.tensor(seconds)
    dist.all_reduce(shared)
    return float(shared) / dist.get_world_size()


def _show(run: Run, state: _State, terms: dict[str, Tensor]) -> None:
    if dist.get_rank() == 0:
        numbers = {name: float(term.detach()) for name, term in terms.items()}
        state.history.append({"step": state.step, "progress": state.progress, **numbers})
        text = "  ".join(f"{name} {number:.4g}" for name, number in numbers.items())
        print(f"{time.strftime('%H:%M:%S')} {run.name} {state.progress:6.1%} step {state.step}  {text}", flush=True)
