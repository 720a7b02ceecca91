"""``edgediff export``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edgediff.cli import completion
from edgediff.cli.adapter_options import embedding_option, lora_option
from edgediff.cli.by_component import by_component, components
from edgediff.cli.command import Command, Section
from edgediff.cli.sizes import size
from edgediff.cli.target_options import TARGET

if TYPE_CHECKING:
    from edgediff_exporters import ExportProgress


BUNDLE = Section(
    "The bundle",
    (
        click.Option(
            ["--format", "format_"],
            shell_complete=completion.one_of("onnx", "openvino"),
            help="Format of the graphs: onnx or openvino.  [default: the target's, else onnx]",
        ),
        click.Option(
            ["--precision", "precisions"],
            multiple=True,
            metavar="[COMPONENT=]P",
            shell_complete=completion.one_of("fp32", "fp16", "bf16", "w16", "w8", "w4", "int8", "mixed", "a16w8"),
            help="fp32 (default), fp16, bf16 (openvino); weights alone: w16, w8, w4; weights and activations: int8, or "
            "mixed, which leaves in float what hurts most. Repeat it per component.",
        ),
        click.Option(
            ["--default", "defaults"],
            multiple=True,
            metavar="FIELD=NUMBER",
            help="What the bundle recommends: steps, guidance, width or height.  [default: the family's]",
        ),
        click.Option(
            ["--config"],
            metavar="MODEL",
            help="For a single-file SOURCE that does not tell which model it is: a diffusers directory or hub id "
            "with its configs, or the name of a known model, such as sd2-v.",
        ),
        click.Option(
            ["--component", "components"],
            multiple=True,
            metavar="ROLE=SOURCE",
            callback=components,
            help="Take a component, such as vae, from elsewhere: a directory, hub id or .safetensors file. Repeatable.",
        ),
        lora_option("Fuse a LoRA into the weights"),
        embedding_option("Add a word of textual inversion to the tokenizer"),
        click.Option(
            ["--ip-adapter"],
            metavar="FILE",
            help="The .safetensors file of an IP-Adapter; its image encoder is SOURCE's, or lies beside the file.",
        ),
        click.Option(
            ["--add", "added"],
            is_flag=True,
            help="SOURCE is a ControlNet, a T2I-Adapter or an IP-Adapter's .safetensors file: BUNDLE grows by it, and "
            "nothing else is exported again. --precision goes with it  [default: the network's], and of an IP-Adapter "
            "--component image_encoder=DIR.",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace BUNDLE if it exists."),
    ),
)
QUALITY = Section(
    "Its quality",
    (
        click.Option(
            ["--min-psnr"], type=float, metavar="DB", help="Fail below this mean PSNR against fp32's pictures."
        ),
        click.Option(
            ["--min-ssim"], type=float, metavar="S", help="Fail below this mean SSIM against fp32's pictures."
        ),
        click.Option(["--search-minutes"], type=float, metavar="M", help="How long `mixed` may search.  [default: 10]"),
    ),
)
TRIALS = Section(
    "Pictures drawn to calibrate and to measure",
    (
        click.Option(
            ["--calibrate"], metavar="FILE", help="Prompts to calibrate int8 with, one a line.  [default: ours]"
        ),
        click.Option(
            ["--calibration-pictures"],
            type=int,
            metavar="N",
            help="Pictures to draw with them.  [default: one per prompt of FILE, 12 of ours]",
        ),
        click.Option(
            ["--evaluate"], metavar="FILE", help="Prompts to measure the bundle with, one a line.  [default: ours]"
        ),
        click.Option(
            ["--evaluation-pictures"],
            type=int,
            metavar="N",
            help="Pictures to draw with them; 0 measures nothing.  [default: one per prompt]",
        ),
        click.Option(
            ["--trial-steps"], type=int, metavar="N", help="Steps of all these pictures.  [default: the bundle's]"
        ),
        click.Option(
            ["--trial-size"],
            callback=size,
            metavar="WxH",
            help="Size of all these pictures.  [default: the bundle's]",
        ),
    ),
)


@click.command(
    "export",
    cls=Command,
    sections=(BUNDLE, TARGET, QUALITY, TRIALS),
    examples=(
        "edgediff export ./stable-diffusion-v1-5 sd15",
        "edgediff export ./stable-diffusion-v1-5 sd15-int8 --precision int8 --min-psnr 35",
        "edgediff export ./stable-diffusion-v1-5 sd15-ir --format openvino --precision w8 --precision vae_decoder=fp16",
        "edgediff export ./stable-diffusion-v1-5 sd15-npu --target openvino-npu --size 512x512 --size 768x512",
        "edgediff export ./control_v11p_sd15_canny sd15 --add",
        "edgediff export model.safetensors mine --config ./stable-diffusion-v1-5 --default steps=30",
    ),
)
@click.argument("source")
@click.argument("bundle", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print what was written and measured as JSON.")
def command(
    *,
    source: str,
    bundle: str,
    format_: str | None,
    precisions: tuple[str, ...],
    defaults: tuple[str, ...],
    added: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - as click read them, named as `export` names them
) -> None:
    """Turn a trained model into a bundle.

    SOURCE is a diffusers directory, a `.safetensors` checkpoint or a model id of the hub;
    BUNDLE is the directory to write.

    Anything but fp32 in ONNX is measured against it, which draws pictures with both: for a large model make these few
    (`--calibration-pictures 4 --evaluation-pictures 2`).
    """
    from edgediff.api import add, export, open_bundle
    from edgediff.cli.inspect import print_bundle
    from edgediff.cli.progress import progress

    with progress("reading the source") as show:

        def tell(event: ExportProgress) -> None:
            show(f"{event.component}: {event.stage}", event.done, event.total)

        if added:
            _check_alone(click.get_current_context())
            only = by_component("--precision", precisions)
            if isinstance(only, dict):
                raise click.UsageError("--precision with --add is that of the new component: expected no name")
            add(source, bundle, precision=only, components=options["components"], on_progress=tell)
        else:
            export(
                source,
                bundle,
                format=format_,
                precision=by_component("--precision", precisions, default=None if options["target"] else "fp32"),
                defaults=dict(map(_default, defaults)),
                on_progress=tell,
                **options,
            )
    opened = open_bundle(bundle)
    if as_json:
        click.echo(json.dumps({"bundle": bundle, "manifest": json.loads(opened.manifest.to_json())}, indent=2))
        return
    print_bundle(opened)
    quality = opened.manifest.quality
    if quality is not None and quality.latency_ratio is not None:
        click.echo(
            _latency(opened.manifest.components[opened.manifest.recipe.network.role].precision, quality.latency_ratio)
        )


_WITH_ADD = {"source", "bundle", "precisions", "added", "components", "as_json"}


def _check_alone(context: click.Context) -> None:
    """Refuse options that say how a whole model is exported."""
    for param in context.command.params:
        name = str(param.name)
        if name not in _WITH_ADD and context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{param.opts[0]} says how a whole model is exported: expected none beside --add")


_ALIKE = 0.1  # medians of five calls scatter by that much on a machine that does something else as well


def _latency(precision: str, ratio: float) -> str:
    """What quantising did to speed, here: engines have fast integer arithmetic only where the processor has."""
    text = f"On this CPU one call of the {precision} network takes {ratio:.2f} times as long as fp32's in ONNX Runtime"
    if abs(ratio - 1) <= _ALIKE:
        return f"{text}: no faster and no slower, as far as a few calls tell."
    return f"{text}: it is slower." if ratio > 1 else f"{text}."


def _default(text: str) -> tuple[str, float]:
    """``guidance=3.5``: a name and a number."""
    name, _, value = text.partition("=")
    try:
        number = json.loads(value)
    except ValueError:
        number = None
    if not isinstance(number, int | float):
        raise click.UsageError(f"--default is {text!r}: expected FIELD=NUMBER such as steps=20")
    return name, number
