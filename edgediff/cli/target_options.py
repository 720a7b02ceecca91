"""Options of `edgediff export` for processors that take graphs of fixed shapes alone."""

from __future__ import annotations

import click

from edgediff.cli import completion
from edgediff.cli.command import Section
from edgediff.cli.sizes import sizes

TARGET = Section(
    "Fixed shapes",
    (
        click.Option(
            ["--target"],
            metavar="NAME",
            shell_complete=completion.one_of("openvino-npu", "qnn", "ncnn", "coreml"),
            help="Graphs of fixed shapes: openvino-npu (Intel's NPUs), qnn (Qualcomm's), ncnn, coreml. It says format "
            "and precision for you.",
        ),
        click.Option(
            ["--size", "sizes"],
            multiple=True,
            metavar="WxH",
            callback=sizes,
            help="A size that they draw, with --target; repeatable, the first is the bundle's.  [default: the model's]",
        ),
    ),
)
