"""The ``edgediff`` command: one file per subcommand, each of which parses, calls one public function and prints.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 a known error, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import warnings
from typing import final

import click

INTERRUPTED = 130
_COMMANDS = ("export", "run", "inspect", "verify", "models", "devices", "samplers", "bench", "cache")


@final
class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"edgediff.cli.{cmd_name}").command
        return command


# The \b keeps click from filling these lines into a paragraph.
_EXAMPLES = """\b
Examples:
  edgediff run "a red apple" -o apple.png
  edgediff inspect apple.png
  edgediff export SOURCE BUNDLE
  edgediff run --help
"""


@click.group(
    cls=_LazyGroup, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="edgediff")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(*, debug: bool) -> None:
    """Diffusion models on your own device: export them once, run them without PyTorch."""


def main() -> None:
    """Run the command and exit."""
    warnings.showwarning = _show_warning
    # Ended by a service manager or `timeout` as by Ctrl-C: what is half done is cleared away, partial results are kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"] or ["--help"]
    try:
        group.main(args=arguments, prog_name="edgediff", standalone_mode=False)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        _show_error(error.format_message(), hint=None if context is None else f"see `{context.command_path} --help`")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except MemoryError as error:
        if debug:
            raise
        hint = "a smaller --size, fewer --images and --low-memory need less"
        _show_error(f"there is not enough memory: {error}", hint=hint)
        sys.exit(1)
    except Exception as error:
        from edgediff_runtimes.errors import EdgediffError

        if debug or not isinstance(error, EdgediffError):
            raise
        _show_error(error.sentence, hint=error.hint)
        sys.exit(1)


def _show_error(sentence: str, *, hint: str | None) -> None:
    click.echo(f"{_painted('error:', 'red')} {sentence}", err=True)
    if hint is not None:
        click.echo(f"{_painted('hint:', 'cyan')} {hint}", err=True)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"{_painted('warning:', 'yellow')} {message}", err=True)


def _painted(word: str, colour: str) -> str:
    # click leaves colours out where there is no terminal, but does not know NO_COLOR
    return word if os.environ.get("NO_COLOR") else click.style(word, fg=colour, bold=True)
