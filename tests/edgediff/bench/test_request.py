"""Which device a measurement takes for the name that it was asked by."""

from __future__ import annotations

import pytest

from edgediff.bench.request import resolved_device
from edgediff_runtimes.engines import Device
from edgediff_runtimes.errors import DeviceError


class Reaching:
    """An engine with a processor, a GPU of which there may be several, and two that are told by name."""

    def devices(self):
        return (
            Device("cpu", "the processor", kind="cpu"),
            Device("cuda", "NVIDIA GPU", kind="gpu"),
            Device("intel.0", "the one", kind="gpu"),
            Device("intel.1", "the other", kind="gpu"),
        )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("auto", "cpu"),
        ("cpu", "cpu"),
        ("gpu", "cuda"),
        ("cuda.1", "cuda.1"),
        ("gpu.2", "cuda.2"),
        ("intel", "intel.0"),
        ("intel.1", "intel.1"),
    ],
)
def test_a_device_by_its_name_its_kind_and_its_number(asked, found):
    assert resolved_device(Reaching(), asked).name == found


@pytest.mark.parametrize("asked", ["npu", "cuda.x", "tpu.1"])
def test_one_that_there_is_not(asked):
    with pytest.raises(DeviceError, match=f"the device `{asked}` is not available"):
        resolved_device(Reaching(), asked)
