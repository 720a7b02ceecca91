"""OpenVINO's devices under our names, what they compute in, and what is odd about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

from edgediff_runtimes.engines.base import Device
from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.errors import DeviceError, EngineError, SettingError

# Ours for the library's AUTO device. Our own ``auto`` is the CPU: the device that every machine has, that computes f32
# as it should, and that all is tested on. Another one is the user's to name.
AUTO_PLUGIN = "auto-plugin"

# Our name of an execution -> OpenVINO's word among a device's capabilities.
_CAPABILITIES = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}


@final
@dataclass(frozen=True, slots=True)
class Quirks:
    """What is odd about a kind of device. Every entry has its reason; None and empty: nothing odd.

    Attributes:
        static_shapes: Why graphs must be given fixed shapes before they are compiled.
        properties: Properties that are set for every graph: name -> (value, reason).
    """

    static_shapes: str | None = None
    properties: dict[str, tuple[Any, str]] = field(default_factory=dict)


# The first part of OpenVINO's name of a device -> its quirks.
QUIRKS: dict[str, Quirks] = {
    "NPU": Quirks(
        static_shapes="its compiler lays out memory when it compiles, and refuses graphs with dynamic shapes"
    ),
    "AUTO": Quirks(
        properties={
            "ENABLE_STARTUP_FALLBACK": (
                False,
                "it would begin on the CPU and go on elsewhere: one picture, computed in two ways",
            )
        }
    ),
}
# Set where a device knows them.
COMMON_PROPERTIES: dict[str, tuple[Any, str]] = {
    "PERFORMANCE_HINT": ("LATENCY", "a picture is a chain of calls: the next one waits for the last"),
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": (
        0,
        "graphs with 4- and 8-bit weights would have their activations rounded to 8 bits as well, unasked",
    ),
}


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A device as it is asked for.

    Attributes:
        device: Our name of it, and what it is.
        target: OpenVINO's name of it.
        members: OpenVINO's names of the devices that compute: itself, or what AUTO chooses from.
        quirks: What is odd about it.
    """

    device: Device
    target: str
    members: tuple[str, ...]
    quirks: Quirks


def places(core: ov.Core) -> tuple[Place, ...]:
    """The devices of this machine, the CPU first, OpenVINO's choice among them last."""
    names = sorted(core.available_devices, key=lambda name: (name != "CPU", name))
    found = []
    for name in names:
        try:
            capabilities = core.get_property(name, "OPTIMIZATION_CAPABILITIES")
            description = core.get_property(name, "FULL_DEVICE_NAME")
        except RuntimeError:  # there, but its driver does not answer: nothing could be loaded either
            continue
        executions = tuple(ours for ours, theirs in _CAPABILITIES.items() if theirs in capabilities)
        device = Device(name.lower(), description, executions, verified="run" if name == "CPU" else "never")
        found.append(Place(device, name, (name,), quirks_of(name)))
    return (*found, _auto(found))


def _auto(found: list[Place]) -> Place:
    """AUTO over what it chooses from by itself: GPUs, then the CPU; an NPU it takes only where it is named."""
    usable = [place for place in found if not place.target.startswith("NPU")]
    usable.sort(key=lambda place: place.target == "CPU")
    executions = [name for name in _CAPABILITIES if all(name in place.device.executions for place in usable)]
    members = tuple(place.target for place in usable)
    description = f"OpenVINO's choice among {', '.join(place.device.name for place in usable)}"
    device = Device(AUTO_PLUGIN, description, tuple(executions))
    return Place(device, f"AUTO:{','.join(members)}", members, quirks_of("AUTO"))


def properties_of(core: ov.Core, place: Place, *, execution: str, threads: int | None) -> dict[str, Any]:
    """What a graph is compiled with for a device.

    Args:
        core: The library.
        place: The device.
        execution: What floats are to be computed in.
        threads: Threads that compute the graph, or None.

    Raises:
        SettingError: The device's threads cannot be chosen.
    """
    asked: dict[str, Any] = {name: value for name, (value, _) in COMMON_PROPERTIES.items()}
    asked["INFERENCE_PRECISION_HINT"] = execution
    if threads is not None:
        asked["INFERENCE_NUM_THREADS"] = threads
    properties = {}
    for member in place.members:
        known = core.get_property(member, "SUPPORTED_PROPERTIES")
        properties[member] = {name: value for name, value in asked.items() if name in known}
    if threads is not None and not any("INFERENCE_NUM_THREADS" in those for those in properties.values()):
        raise SettingError("threads", got=threads, expected=f"nothing, because `{place.device.name}` has its own")
    own = {name: value for name, (value, _) in place.quirks.properties.items()}
    if place.members == (place.target,):
        return {**properties[place.target], **own}
    return {"DEVICE_PROPERTIES": properties, **own}


def quirks_of(target: str) -> Quirks:
    """The quirks of a device by OpenVINO's name of it, such as ``GPU.1`` or ``AUTO:GPU,CPU``."""
    return QUIRKS.get(target.partition(":")[0].partition(".")[0], Quirks())


def find_place(core: ov.Core, name: str) -> Place:
    """The device of that name; ``auto`` is the first, ``gpu`` the first of several GPUs.

    Raises:
        DeviceError: There is none.
        EngineError: OpenVINO has no device at all.
    """
    known = places(core)
    if len(known) == 1:
        raise EngineError("OpenVINO finds no device on this machine: expected at least the processor")
    if name == "auto":
        return known[0]
    for place in known:
        if name in place.device.names:
            return place
    raise DeviceError(name, available=[place.device.name for place in known])
