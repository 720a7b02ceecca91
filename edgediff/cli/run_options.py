"""The options of ``edgediff run``, as data: in the help's sections, and as the API names them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from edgediff.cli import completion
from edgediff.cli.adapter_options import ADAPTERS
from edgediff.cli.between_options import BETWEEN
from edgediff.cli.by_component import by_component
from edgediff.cli.command import Section
from edgediff.cli.control_options import CONTROL, PROMPT, each
from edgediff.cli.enlarge_options import ENLARGING
from edgediff.cli.prompt_options import READING
from edgediff.cli.sizes import file_or_word, levels, number, number_or_word, place, sides, size

if TYPE_CHECKING:
    from edgediff_runtimes.settings import Options

_FILE = click.Path(path_type=Path)


DRAWING = Section(
    "The picture",
    (
        click.Option(["--negative", "--negative-prompt", "negative_prompt"], metavar="TEXT", help="What to avoid."),
        click.Option(
            ["--label", "class_label"],
            multiple=True,
            metavar="LABEL",
            help="Class to draw, a number or a name, of a model that has classes; repeatable.",
        ),
        click.Option(
            ["--seed"], type=int, help="Of the first picture; the next has the next.  -1, the default: random."
        ),
        click.Option(["--steps"], type=int, help="Sampling steps.  [default: the bundle's]"),
        click.Option(["--guidance"], type=float, help="Guidance scale; 1 turns it off.  [default: the bundle's]"),
        click.Option(
            ["--true-guidance"],
            type=float,
            help="Weighs --negative where --guidance is told to the model, as in FLUX.1 dev.",
        ),
        click.Option(["--size"], metavar="WxH", callback=size, help="Pixels.  [default: the bundle's, or the image's]"),
        click.Option(["--width"], type=int, help="Pixels across, in place of --size."),
        click.Option(["--height"], type=int, help="Pixels down, in place of --size."),
        click.Option(["-n", "--images"], type=int, help="Pictures per prompt.  [default: 1]"),
    ),
)
START = Section(
    "A picture to start from",
    (
        click.Option(
            ["--image"],
            type=_FILE,
            multiple=True,
            help="Start from this picture; of a model that edits, the one to edit. Repeatable for FLUX.2.",
        ),
        click.Option(
            ["--strength"], type=float, help="How far to go from --image, above 0 to 1.  [default: the model's]"
        ),
        click.Option(
            ["--image-guidance"],
            type=float,
            help="How near to --image an instructed edit stays (InstructPix2Pix), from 1.  [default: 1.5]",
        ),
        click.Option(["--denoise"], type=_FILE, help="Take the noise out of this picture; for models over pixels."),
        click.Option(
            ["--noise-level"],
            metavar="LEVEL",
            callback=number,
            help="Of the noise in --denoise, where white is 1 and black 0 (default: estimated); or how much --image "
            "gets, in place of --strength; or how much an upscaler is shown it with.",
        ),
        click.Option(
            ["--mask"],
            metavar="FILE|alpha",
            callback=file_or_word("alpha"),
            help="Draw --image anew where this picture is white (or transparent, where it has transparent parts); "
            "alpha: where --image itself is transparent.",
        ),
        click.Option(
            ["--extend"],
            metavar="SIDE=PIXELS,...",
            callback=sides,
            help="Make --image larger and draw what is new, such as left=256,top=128.",
        ),
        click.Option(
            ["--keep"],
            metavar="HOW",
            shell_complete=completion.one_of("exact", "model"),
            help="exact: outside of --mask the picture's own pixels come back; model: as the model keeps them.  "
            "[default: model; exact with --crop-mask and --extend]",
        ),
        click.Option(
            ["--mask-blur"],
            type=float,
            metavar="PIXELS",
            help="Over how much the drawn part goes over into kept pixels.  [default: 0]",
        ),
        click.Option(
            ["--crop-mask"],
            type=int,
            metavar="PADDING",
            help="Draw only what is around the mask, with so many pixels more, at full size, and paste it back.",
        ),
    ),
)
SAMPLING = Section(
    "The sampler",
    (
        click.Option(
            ["--sampler"],
            metavar="NAME",
            shell_complete=completion.samplers,
            help="Such as ddim, euler_a, dpmpp_2m_karras: see `edgediff samplers`.  [default: the bundle's]",
        ),
        click.Option(
            ["--sampler-option", "sampler_options"],
            multiple=True,
            metavar="FIELD=VALUE",
            help="Replaces a field of its config; repeatable.",
        ),
        click.Option(
            ["--reuse"],
            metavar="N|auto|off",
            callback=number_or_word,
            shell_complete=completion.one_of("auto", "off"),
            help="Make N network calls for all steps and extrapolate the others; auto: as few as the bundle was tuned "
            "for with these settings (`edgediff tune`).  [default: off]",
        ),
        click.Option(
            ["--guidance-rescale"], type=float, help="0 to 1; tames the contrast of high guidance.  [default: 0]"
        ),
        click.Option(
            ["--guidance-interval"],
            metavar="LOW,HIGH",
            callback=levels,
            help="Guidance only at noise levels sigma above LOW up to HIGH (or inf): one network call at the others, "
            "and another picture.  [default: all]",
        ),
        click.Option(
            ["--reuse-guidance"],
            type=int,
            metavar="N",
            help="Compute what guidance adds at every Nth network call and keep it in between: one call there, and "
            "another picture.  [default: 1]",
        ),
        click.Option(
            ["--encode"],
            metavar="HOW",
            shell_complete=completion.one_of("sample", "mode"),
            help="sample or mode of the encoder's distribution for --image.  [default: sample]",
        ),
        click.Option(
            ["--tile"],
            metavar="PIXELS",
            callback=number_or_word,
            help="Decode, encode and --enlarge in tiles of so many pixels, or auto: where memory is short.  "
            "[default: whole]",
        ),
        click.Option(
            ["--decoder"],
            metavar="WHICH",
            shell_complete=completion.one_of("full", "tiny"),
            help="full, or tiny: a small one that some bundles have beside it, faster and less exact.  [default: full]",
        ),
        click.Option(
            ["--noise"],
            metavar="KIND",
            shell_complete=completion.one_of("torch-cpu", "torch-cuda", "numpy"),
            help="torch-cpu, torch-cuda or numpy.  [default: torch-cpu]",
        ),
    ),
)
TOLD = Section(
    "What some models are told",
    (
        click.Option(["--original-size"], metavar="WxH", callback=size, help="Of the picture before it was cropped."),
        click.Option(["--crop"], metavar="LEFT,TOP", callback=place, help="Pixels that were cropped.  [default: 0,0]"),
        click.Option(["--target-size"], metavar="WxH", callback=size, help="Of the picture.  [default: --size]"),
        click.Option(["--aesthetic-score"], type=float, help="How well people liked it.  [default: 6]"),
        click.Option(["--negative-aesthetic-score"], type=float, help="Likewise, of what to avoid.  [default: 2.5]"),
        click.Option(
            ["--refiner-start"],
            type=float,
            help="Share of the noise levels after which the refiner goes on; 1 leaves it out.  [default: 0.8]",
        ),
    ),
)
FILES = Section(
    "Reading and writing",
    (
        click.Option(
            ["-m", "--model"],
            default="emoji-lcm",
            show_default=True,
            shell_complete=completion.models,
            help="A bundle's directory, a shipped model (`edgediff models`), or a bundle's id on the hub.",
        ),
        click.Option(
            ["-o", "--output"],
            metavar="FILE",
            shell_complete=completion.files,
            help="File to write, with {seed}, {index} or {prompt} in its name; a folder; or - for a PNG on stdout.  "
            "[default: edgediff-{seed}.png]",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace files that are there."),
        click.Option(
            ["--grid"], is_flag=True, help="Also write all pictures on one sheet, FILE-grid; alone with -o -."
        ),
        click.Option(["--prompts"], type=_FILE, help="A file with one prompt a line, drawn one by one; - is stdin."),
        click.Option(["--repeat"], type=_FILE, metavar="PICTURE", help="Draw a picture of ours again."),
        click.Option(
            ["--plan"],
            type=_FILE,
            metavar="FILE.json",
            help="Take bundle and settings from a plan (`edgediff plan --apply`); what is given here goes before them.",
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="Print files, settings and timings as JSON."),
    ),
)
COMPUTING = Section(
    "The machine",
    (
        click.Option(
            ["--device"],
            multiple=True,
            metavar="[COMPONENT=]DEVICE",
            shell_complete=completion.devices,
            help="See `edgediff devices`. Repeat it per component: --device unet=gpu.  [default: auto]",
        ),
        click.Option(
            ["--engine"],
            multiple=True,
            metavar="[COMPONENT=]ENGINE",
            shell_complete=completion.engines,
            help="See `edgediff devices`; likewise.  [default: the format's, or one that has the device]",
        ),
        click.Option(
            ["--execution"],
            multiple=True,
            metavar="[COMPONENT=]E",
            shell_complete=completion.one_of("f32", "bf16", "f16"),
            help="f32, bf16 or f16: what floats are computed in; likewise.  [default: as exported]",
        ),
        click.Option(
            ["--strict"],
            is_flag=True,
            help="Fail where a component overflows, in place of computing it again in f32; with --reuse, make all "
            "calls from a jump of the prediction error on.",
        ),
        click.Option(["--threads"], type=int, help="Threads per graph.  [default: one per core]"),
        click.Option(
            ["--low-memory"], is_flag=True, help="Slower in less memory: one component at a time, one call at a time."
        ),
        click.Option(
            ["--residency"],
            type=click.Choice(["resident", "sequential"]),
            help="Keep all components, or free each behind its use.  [default: as memory allows]",
        ),
        click.Option(
            ["--static"],
            metavar="WxH",
            callback=size,
            help="Pixels of all pictures: OpenVINO compiles for this size alone.  [default: any size]",
        ),
    ),
)
SECTIONS = (DRAWING, READING, BETWEEN, START, CONTROL, PROMPT, ENLARGING, ADAPTERS, TOLD, SAMPLING, FILES, COMPUTING)
# Options that say two numbers of the API's at once.
PAIRS = {
    "original_size": ("original_width", "original_height"),
    "target_size": ("target_width", "target_height"),
    "crop": ("crop_left", "crop_top"),
}


# Options of a picture that `edgediff.load` takes, beside those of ``COMPUTING``.
LOADED = ("enlarger", "loras", "embeddings")


def placed(given: dict[str, Any]) -> dict[str, Any]:
    """What ``edgediff.load`` is to take of the options of ``COMPUTING`` and ``ADAPTERS``, taken out of those given."""
    low_memory = given.pop("low_memory")
    device = given.pop("device")
    return {
        "device": by_component("--device", device, default="auto" if device else None),
        "engine": by_component("--engine", given.pop("engine")),
        "execution": by_component("--execution", given.pop("execution")),
        "residency": given.pop("residency") or ("sequential" if low_memory else None),
        "low_memory": low_memory,
        "split_guidance": low_memory,
        **{name: given.pop(name) for name in ("strict", "threads", "static", *LOADED)},
    }


def asked(drawing: dict[str, Any]) -> Options:
    """The options that were given of all sections but ``FILES`` and ``COMPUTING``, as the API names them."""
    given = {name: value for name, value in drawing.items() if value not in (None, ())}
    if "size" in given:
        if twice := given.keys() & {"width", "height"}:
            raise click.UsageError(f"--size and --{min(twice)} say the same: expected one of them")
        given["width"], given["height"] = given.pop("size")
    for pair, names in PAIRS.items():
        given.update(zip(names, given.pop(pair, ()), strict=False))
    if len(given.get("image", ())) == 1:
        (given["image"],) = given["image"]
    if "sampler_options" in given:
        given["sampler_options"] = dict(map(_field, given["sampler_options"]))
    return cast("Options", each(given))


def _field(text: str) -> tuple[str, Any]:
    """``timestep_spacing=trailing``: a name and a JSON value, or a plain word."""
    name, found, value = text.partition("=")
    if not (name and found):
        raise click.UsageError(f"--sampler-option is {text!r}: expected FIELD=VALUE such as eta=0.5")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
