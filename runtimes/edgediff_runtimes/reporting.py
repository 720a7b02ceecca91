"""Libraries that report their use to their makers, told not to before they are imported.

What is drawn, and that anything is, stays on the machine. The switches are environment variables, which processes that
are started from here inherit, and they are set whatever stood there before: ``docs/engines.md`` promises that nothing
is reported. OpenVINO and NNCF have no such variable; ``engines/openvino/library.py`` imports them without what reports.
"""

from __future__ import annotations

import os

# name -> what the library does without it
SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "ONNX Runtime (1.29 and later, Linux and macOS) writes a device's id and its events, with "
    "the path of the Python among them, into the user's cache as soon as it is imported, and sends them",
    "HF_HUB_DISABLE_TELEMETRY": "the client of the Hugging Face hub tells the hub which libraries are installed",
}


def switch_off() -> None:
    """Set the switches for this process and those that it starts; too late for a library that is imported already."""
    os.environ.update(dict.fromkeys(SWITCHES, "1"))
