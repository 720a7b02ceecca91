"""``edgediff run``."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from edgediff.cli.sizes import size

if TYPE_CHECKING:
    from edgediff import Pipeline, Result, Run
    from edgediff_runtimes.components import Residency
    from edgediff_runtimes.settings import Options

_POLL_S = 0.1  # how long an interrupt may wait; a lock without a timeout cannot be interrupted on Windows


def _prompt(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> str | None:  # noqa: ARG001 - click's signature
    if len(words) > 1:
        quoted = " ".join(words)
        raise click.UsageError(f'expected one PROMPT, got {len(words)} words: put it in quotes, as in "{quoted}"', ctx)
    return words[0] if words else None


@click.command("run")
@click.argument("prompt", nargs=-1, metavar="[PROMPT]", callback=_prompt)
@click.option("-m", "--model", default="emoji-lcm", show_default=True, help="A bundle's directory or a shipped model.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.  [default: edgediff-SEED.png]")
@click.option("--prompts", type=click.Path(path_type=Path), help="A file with one prompt a line, drawn one by one.")
@click.option("--negative", "negative_prompt", metavar="TEXT", help="What to steer away from.")
@click.option("--seed", type=int, help="Seed of the first picture; the next one has the next seed.  [default: random]")
@click.option("--steps", type=int, help="Sampling steps.  [default: the bundle's]")
@click.option("--guidance", type=float, help="Guidance scale; 1 turns it off.  [default: the bundle's]")
@click.option("--guidance-rescale", type=float, help="0 to 1; tames the contrast of high guidance.  [default: 0]")
@click.option("--sampler", metavar="NAME", help="Such as ddim, euler_a, dpmpp_2m_karras.  [default: the bundle's]")
@click.option(
    "--sampler-option", "sampler_options", multiple=True, metavar="FIELD=VALUE", help="Replaces a field of it."
)
@click.option("--noise", metavar="KIND", help="torch-cpu, torch-cuda or numpy.  [default: torch-cpu]")
@click.option("--size", metavar="WxH", callback=size, help="Pixels.  [default: the bundle's, or the image's]")
@click.option("--images", type=int, help="Pictures per prompt.  [default: 1]")
@click.option("--image", type=click.Path(path_type=Path), help="Start from this picture.")
@click.option("--strength", type=float, help="How far to go from --image, above 0 to 1.  [default: 0.8]")
@click.option("--repeat", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw a picture of ours again.")
@click.option("--device", default="auto", show_default=True, help="See `edgediff devices`.")
@click.option("--engine", help="See `edgediff devices`.  [default: the format's, or one that has the device]")
@click.option("--execution", help="f32, bf16 or f16: what floats are computed in.  [default: as exported]")
@click.option("--strict", is_flag=True, help="Fail where a component overflows, in place of computing it again in f32.")
@click.option("--threads", type=int, help="Threads per graph.  [default: one per core]")
@click.option("--low-memory", is_flag=True, help="Slower in less memory: one component at a time, one call at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print files, settings and timings as JSON.")
def command(
    *,
    prompt: str | None,
    model: str,
    output: Path | None,
    prompts: Path | None,
    repeat: Path | None,
    device: str,
    engine: str | None,
    execution: str | None,
    strict: bool,
    threads: int | None,
    low_memory: bool,
    as_json: bool,
    **drawing: Any,  # noqa: ANN401 - the drawing options, None where not given
) -> None:
    """Draw PROMPT with a bundle. Paths of the pictures go to stdout."""
    from edgediff.api import load
    from edgediff_runtimes.picture_files import check_place

    if repeat is None:
        texts, options = _texts(prompt, prompts), _options(drawing)
    else:
        texts, options, drawn_with = _repeated(repeat, prompt, prompts, _options(drawing))
    if output is not None:
        check_place(output)
    residency: Residency = "sequential" if low_memory else "resident"
    with load(
        model,
        device=device,
        engine=engine,
        execution=execution,
        strict=strict,
        threads=threads,
        residency=residency,
        low_memory=low_memory,
        split_guidance=low_memory,
    ) as pipeline:
        if repeat is not None and drawn_with != pipeline.fingerprint:
            warnings.warn(f"{repeat} was drawn with another bundle than this one: expect another picture", stacklevel=2)
        reports = []
        for index, result in enumerate(_draw(pipeline, texts, options)):
            target = output or _free(Path(f"edgediff-{result.seed}.png"), len(result.images))
            files = result.save(target if len(texts) == 1 else target.with_stem(f"{target.stem}-{index}"))
            reports.append(_report(result, files))
            if not as_json:
                click.echo("\n".join(map(str, files)))
    if as_json:
        click.echo(json.dumps(reports, indent=2))


def _free(path: Path, images: int) -> Path:
    """The path, or the first counted one, under which saving overwrites nothing."""
    from edgediff_runtimes.results import numbered

    candidates = (path if i == 1 else path.with_stem(f"{path.stem}_{i}") for i in count(1))
    return next(place for place in candidates if not any(file.exists() for file in numbered(place, images)))


def _texts(prompt: str | None, prompts: Path | None) -> list[str]:
    if (prompt is None) == (prompts is None):
        raise click.UsageError("expected a PROMPT, or --prompts FILE, or --repeat FILE.png")
    if prompts is None:
        return [prompt or ""]
    from edgediff_runtimes.errors import SettingError

    try:
        lines = prompts.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError("prompts", got=str(prompts), expected=f"a readable text file ({error})") from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise SettingError("prompts", got=str(prompts), expected="a file with at least one prompt, one a line")
    return texts


def _options(drawing: dict[str, Any]) -> Options:
    """The drawing options that were given, as the API names them."""
    given = {name: value for name, value in drawing.items() if value not in (None, ())}
    if "size" in given:
        given["width"], given["height"] = given.pop("size")
    if "sampler_options" in given:
        given["sampler_options"] = dict(map(_field, given["sampler_options"]))
    return cast("Options", given)


def _field(text: str) -> tuple[str, Any]:
    """``timestep_spacing=trailing``: a name and a JSON value, or a plain word."""
    name, found, value = text.partition("=")
    if not (name and found):
        raise click.UsageError(f"--sampler-option is {text!r}: expected FIELD=VALUE such as eta=0.5")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _repeated(
    repeat: Path, prompt: str | None, prompts: Path | None, options: Options
) -> tuple[list[str], Options, str | None]:
    """Prompt, options and bundle of a picture of ours; only an image to start from may be given beside it."""
    from edgediff_runtimes.picture_files import read_metadata
    from edgediff_runtimes.settings import options_of

    if prompt is not None or prompts is not None or options.keys() - {"image"}:
        raise click.UsageError("--repeat takes its settings from the file: only -m, -o and --image go with it")
    metadata = read_metadata(repeat)
    text, recorded = options_of(metadata.get("settings"))
    if ("image" in options) != (recorded.get("strength") is not None):
        needed = "needs" if recorded.get("strength") is not None else "was drawn without"
        raise click.UsageError(f"{repeat} {needed} an --image to start from")
    return [text], {**recorded, **options}, metadata.get("fingerprint")


def _draw(pipeline: Pipeline, texts: list[str], options: Options) -> Iterator[Result]:
    """Each text in turn with the next seed: what one batch would give, in the memory of one picture."""
    from edgediff.cli.progress import progress

    seed = options.get("seed")
    with ThreadPoolExecutor(1) as worker:
        for index, text in enumerate(texts):
            options["seed"] = seed
            label = f"{text[:40]}: " + ("steps" if len(texts) == 1 else f"prompt {index + 1} of {len(texts)}, steps")
            with pipeline.stream(text, **options) as run, progress(label, total=run.total_steps) as show:
                result = _wait(worker.submit(_finish, run, partial(show, label)), run)
            yield result  # the bar is gone: what is printed now has the line to itself
            seed = result.seeds[-1] + 1


def _finish(run: Run, show: Callable[[int, int], None]) -> Result:
    for step in run:
        show(step.index + 1, step.total)
    return run.result


def _wait(future: Future[Result], run: Run) -> Result:
    """The result of a run in another thread; an interrupt ends the run inside its step."""
    try:
        while not future.done():
            wait([future], timeout=_POLL_S)
    except KeyboardInterrupt:
        run.cancel()
        raise
    return future.result()


def _report(result: Result, files: list[Path]) -> dict[str, Any]:
    return {
        "files": [str(file) for file in files],
        "seeds": result.seeds,
        "settings": dataclasses.asdict(result.settings),
        "timings": dataclasses.asdict(result.timings),
        "computed": {role: dataclasses.asdict(how) for role, how in result.computed.items()},
    }
