"""What is to be measured: asked, checked whole, and only then begun."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, final

from edgediff.api import load, open_bundle
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import Device, Engine
from edgediff_runtimes.errors import DeviceError, SettingError
from edgediff_runtimes.placement import ByRole, Placement, named_engines
from edgediff_runtimes.quality import Subjects, call_of
from edgediff_runtimes.quality.pictures import with_pictures

if TYPE_CHECKING:
    from edgediff_runtimes.settings import Options

PROMPT, SEED = "a red apple", 0
AS_EXPORTED = "graph"


@final
@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks of a measurement; None and empty take the bundle's or the engine's defaults.

    Attributes:
        bundles: Directories or names of shipped models; several are measured in turns.
        devices: Devices of the engine, each measured with each bundle; one may be devices by component.
        engines: Names of engines, each measured with each bundle; empty: the default for its format. Likewise.
        executions: What floats are computed in, each measured; ``graph``: what the graphs' precision asks for.
            Likewise.
        sizes: Width and height in pixels, each measured.
        steps: Numbers of steps, each measured.
        batches: Pictures drawn at a time, each measured.
        guidance: Guidance scale.
        threads: Threads that compute one graph.
        repeat: Rounds; every round measures everything once, in fresh processes.
        warmup: Pictures that each process draws before the one that is measured.
        sustain_s: Seconds to draw on at the end, picture after picture, with each case and work; None: not at all.
    """

    bundles: tuple[str, ...]
    devices: tuple[ByRole[str], ...] = ("auto",)
    engines: tuple[ByRole[str], ...] = ()
    executions: tuple[ByRole[str], ...] = (AS_EXPORTED,)
    sizes: tuple[tuple[int, int], ...] = ()
    steps: tuple[int, ...] = ()
    batches: tuple[int, ...] = (1,)
    guidance: float | None = None
    threads: int | None = None
    repeat: int = 3
    warmup: int = 1
    sustain_s: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Case:
    """One bundle in one placement, and the options of every picture that it is to draw.

    ``prompt`` is None where the model takes no text; a label is then among the options. ``asked`` is the execution that
    was asked for, or None; ``executions`` is what each graph is to be computed in.
    """

    name: str
    bundle: Bundle
    engines: dict[str, Engine]
    devices: dict[str, Device]
    asked: ByRole[str | None]
    executions: dict[str, str]
    prompt: str | None
    works: tuple[Options, ...] = field(repr=False)

    @property
    def engine(self) -> str:
        """The names of its engines."""
        return _joined(engine.name for engine in self.engines.values())

    @property
    def device(self) -> str:
        """The names of its devices."""
        return _joined(device.name for device in self.devices.values())

    def placement(self, *, threads: int | None) -> dict[str, Any]:
        """What ``load`` takes for it, as JSON values."""
        return {
            "engine": {role: engine.name for role, engine in self.engines.items()},
            "device": {role: device.name for role, device in self.devices.items()},
            "execution": self.asked,
            "threads": threads,
        }

    def describe(self) -> dict[str, Any]:
        """The case as it stands in a report."""
        manifest = self.bundle.manifest
        return {
            "name": self.name,
            "bundle": str(self.bundle.path),
            "family": manifest.family,
            "bytes": sum(entry.bytes for part in manifest.components.values() for entry in part.files),
            "precision": {role: part.precision for role, part in manifest.components.items()},
            "engine": self.engine,
            "engine_version": _joined(engine.version for engine in self.engines.values()),
            "engines": {role: engine.name for role, engine in self.engines.items()},
            "execution": self.executions,
            "device": self.device,
            "devices": {role: device.name for role, device in self.devices.items()},
            "driver": _joined(device.description for device in self.devices.values()),
            "quality": None if manifest.quality is None else asdict(manifest.quality),
            "export_error": {
                role: max(check.error for check in part.checks)
                for role, part in manifest.components.items()
                if part.checks
            },
        }


def resolve(request: Request) -> tuple[Case, ...]:
    """The cases of a request, every option checked; nothing is computed.

    Raises:
        EdgediffError: A bundle, a device, an engine or an option is not there or cannot be applied.
    """
    for name, got, least in (
        ("repeat", request.repeat, 1),
        ("warmup", request.warmup, 0),
        ("batch", min(request.batches, default=0), 1),
    ):
        if got < least:
            raise SettingError(name, got=got, expected=f"a whole number of at least {least}")
    if not request.bundles:
        raise SettingError("bundle", got="none", expected="at least one")
    works = _works(request)
    places = [
        (text, engine, device, _executions(execution))
        for text in request.bundles
        for engine in request.engines or (None,)
        for device in request.devices
        for execution in request.executions
    ]
    cases = [_case(*place, works=works, request=request) for place in places]
    return tuple(_named(cases))


def _works(request: Request) -> tuple[Options, ...]:
    works: list[Options] = []
    for size, steps, batch in itertools.product(request.sizes or (None,), request.steps or (None,), request.batches):
        work: Options = {"seed": SEED, "images": batch, "guidance": request.guidance, "steps": steps}
        if size is not None:
            work["width"], work["height"] = size
        works.append(work)
    return tuple(works)


def _executions(asked: ByRole[str]) -> ByRole[str | None]:
    if isinstance(asked, Mapping):
        return {role: None if execution == AS_EXPORTED else execution for role, execution in asked.items()}
    return None if asked == AS_EXPORTED else asked


def _case(
    text: str,
    engine: ByRole[str] | None,
    device: ByRole[str],
    execution: ByRole[str | None],
    *,
    works: tuple[Options, ...],
    request: Request,
) -> Case:
    bundle = open_bundle(text)
    ours = Subjects.of(bundle.manifest.recipe)
    prompt, subject = call_of(bundle.manifest.recipe, PROMPT if ours == Subjects() else ours.evaluation[0])
    works = tuple({**work, **subject} for work in works)
    with load(
        bundle.path, device=device, engine=engine, execution=execution, threads=request.threads
    ) as pipeline:  # which refuses what there is not
        for work in works:
            pipeline.stream(prompt, **with_pictures(bundle.manifest.recipe, bundle.manifest.defaults, work)).close()
    placement = Placement(engine=named_engines(engine), device=device, execution=execution, threads=request.threads)
    graphs = {role: bundle.graph(role) for role in bundle.manifest.components}
    engines = {role: placement.engine_of(graph) for role, graph in graphs.items()}
    devices = {role: resolved_device(engines[role], placement.device_of(role)) for role in graphs}
    executions = {
        role: engines[role].execution(graph, device=devices[role].name, options=placement.options_of(role))
        for role, graph in graphs.items()
    }
    return Case(bundle.path.name, bundle, engines, devices, execution, executions, prompt, works)


def resolved_device(engine: Engine, name: str) -> Device:
    """The device that a name stands for: ``gpu`` for the first of its kind; the number behind a dot is kept.

    Raises:
        DeviceError: The engine reaches none of that name.
    """
    devices = engine.devices()
    base, dot, index = name.partition(".")
    exact = next((known for known in devices if name in ("auto", known.name)), None)
    for known in filter(None, (exact, *devices)):
        if known is exact or name in known.names:
            return known
        if base in known.names and index.isdecimal():
            return dataclasses.replace(known, name=f"{known.name}{dot}{index}")
    raise DeviceError(name, available=[known.name for known in devices])


def _joined(names: Iterable[str]) -> str:
    """Each once, in the order of the components."""
    return ", ".join(dict.fromkeys(names))


def _named(cases: list[Case]) -> list[Case]:
    """Names that tell the cases apart: the bundle's, with engine or device or path where they differ."""
    several_engines = len({case.engine for case in cases}) > 1
    several_devices = len({case.device for case in cases}) > 1
    several_executions = len({_text(case.asked) for case in cases}) > 1
    named: list[Case] = []
    for case in cases:
        same = {other.bundle.path for other in cases if other.name == case.name}
        parts = [case.name if len(same) == 1 else str(case.bundle.path)]
        parts += [case.engine] * several_engines + [case.device] * several_devices
        parts += [_text(case.asked)] * several_executions
        name = " ".join(parts)
        taken = sum(other.name == name or other.name.startswith(f"{name} #") for other in named)
        name = name if not taken else f"{name} #{taken + 1}"
        named.append(dataclasses.replace(case, name=name))
    return named


def _text(asked: ByRole[str | None]) -> str:
    if isinstance(asked, Mapping):
        return ",".join(f"{role}={execution or AS_EXPORTED}" for role, execution in asked.items())
    return asked or AS_EXPORTED
