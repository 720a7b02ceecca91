"""ncnn's devices under our names: the processor, and the GPUs that Vulkan finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from edgediff_runtimes.engines.base import Device
from edgediff_runtimes.engines.ncnn.library import ncnn, overheard
from edgediff_runtimes.errors import DeviceError

VULKAN = "vulkan"
_SOFTWARE = 3  # ncnn's number of a Vulkan device that is a program on the processor


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A device as it is asked for; ``gpu`` is ncnn's number of it, None for the processor."""

    device: Device
    gpu: int | None = None


def processor() -> Place:
    """The processor. It computes in float16 where it is one of Arm's that does."""
    executions = ("f32", "f16") if ncnn.cpu_support_arm_asimdhp() else ("f32",)
    return Place(Device("cpu", "the processor, with ncnn", executions, kind="cpu"))


def gpus() -> tuple[Place, ...]:
    """What Vulkan finds; nothing where the machine has no Vulkan."""
    with overheard():  # which GPUs there are and what each can do; without Vulkan, where it was looked for
        count = ncnn.get_gpu_count()
        found = [ncnn.get_gpu_info(index) for index in range(count)]
    places = []
    for index, about in enumerate(found):
        software = about.type() == _SOFTWARE
        device = Device(
            VULKAN if count == 1 else f"{VULKAN}.{index}",
            f"{about.device_name()} through Vulkan{', in software' if software else ''}",
            ("f32", "f16"),
            kind="gpu",
            verified="run" if software else "never",
        )
        places.append(Place(device, index))
    return tuple(places)


def find_place(name: str) -> Place:
    """The device of that name; ``auto`` is the processor, ``vulkan`` and ``gpu`` the first of several GPUs.

    Raises:
        DeviceError: There is none.
    """
    if name in ("auto", "cpu"):
        return processor()
    known = gpus()
    base, _, index = name.partition(".")
    if base in (VULKAN, "gpu"):
        for place in known:
            if index in ("", str(place.gpu)):
                return place
    hint = None if known else "ncnn finds no Vulkan device: a driver of the GPU's maker, or Mesa, has one"
    raise DeviceError(name, available=["cpu", *(place.device.name for place in known)], hint=hint)
