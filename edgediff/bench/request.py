"""What is to be measured: asked, checked whole, and only then begun."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, final

from edgediff.api import load, open_bundle
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import Device, engine_for, get_engine
from edgediff_runtimes.errors import DeviceError, SettingError

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
        devices: Devices of the engine, each measured with each bundle.
        engines: Names of engines, each measured with each bundle; empty: the default for its format.
        precision_of_execution: What the graphs are computed in; ``graph``: what they were exported in.
        sizes: Width and height in pixels, each measured.
        steps: Numbers of steps, each measured.
        batches: Pictures drawn at a time, each measured.
        guidance: Guidance scale.
        threads: Threads that compute one graph.
        repeat: Rounds; every round measures everything once, in fresh processes.
        warmup: Pictures that each process draws before the one that is measured.
    """

    bundles: tuple[str, ...]
    devices: tuple[str, ...] = ("auto",)
    engines: tuple[str, ...] = ()
    precision_of_execution: str = AS_EXPORTED
    sizes: tuple[tuple[int, int], ...] = ()
    steps: tuple[int, ...] = ()
    batches: tuple[int, ...] = (1,)
    guidance: float | None = None
    threads: int | None = None
    repeat: int = 3
    warmup: int = 1


@final
@dataclass(frozen=True, slots=True)
class Case:
    """One bundle on one device of one engine, and the options of every picture that it is to draw."""

    name: str
    bundle: Bundle
    engine: str
    engine_version: str
    device: Device
    works: tuple[Options, ...] = field(repr=False)

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
            "engine_version": self.engine_version,
            "device": self.device.name,
            "driver": self.device.description,
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
        (text, engine, device)
        for text in request.bundles
        for engine in request.engines or (None,)
        for device in request.devices
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


def _case(text: str, engine_name: str | None, device: str, *, works: tuple[Options, ...], request: Request) -> Case:
    bundle = open_bundle(text)
    engine = get_engine(engine_name) if engine_name else engine_for(bundle.graph("unet").format)
    devices = engine.devices()
    found = devices[0] if device == "auto" else next((known for known in devices if known.name == device), None)
    if found is None:
        raise DeviceError(device, available=[known.name for known in devices])
    _check_precision(bundle, request.precision_of_execution, engine=engine.name)
    with load(bundle.path, device=device, engine=engine, threads=request.threads) as pipeline:
        for work in works:
            pipeline.stream(PROMPT, **work).close()
    return Case(bundle.path.name, bundle, engine.name, engine.version, found, works)


def _check_precision(bundle: Bundle, precision: str, *, engine: str) -> None:
    """Our engines compute in the precision of the graph: any other wish is refused, not ignored."""
    computed = {_ARITHMETIC.get(part.precision) for part in bundle.manifest.components.values()}
    if precision != AS_EXPORTED and computed != {precision}:
        sure = [known for known in computed if known is not None and len(computed) == 1]
        raise SettingError(
            "precision-of-execution",
            got=precision,
            expected=f"{' or '.join([AS_EXPORTED, *sure])}, because `{engine}` computes the graphs of "
            f"`{bundle.path.name}` as they were exported",
            hint="export the model again with `--precision`",
        )


# What graphs of a precision are computed in. Half precision is not among them: a processor without arithmetic for it
# computes in fp32.
_ARITHMETIC = {"fp32": "fp32", "w16": "fp32", "w8": "fp32"}


def _named(cases: list[Case]) -> list[Case]:
    """Names that tell the cases apart: the bundle's, with engine or device or path where they differ."""
    several_engines = len({case.engine for case in cases}) > 1
    several_devices = len({case.device.name for case in cases}) > 1
    named: list[Case] = []
    for case in cases:
        same = {other.bundle.path for other in cases if other.name == case.name}
        parts = [case.name if len(same) == 1 else str(case.bundle.path)]
        parts += [case.engine] * several_engines + [case.device.name] * several_devices
        name = " ".join(parts)
        taken = sum(other.name == name or other.name.startswith(f"{name} #") for other in named)
        name = name if not taken else f"{name} #{taken + 1}"
        named.append(Case(name, case.bundle, case.engine, case.engine_version, case.device, case.works))
    return named
