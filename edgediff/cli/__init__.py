"""The ``edgediff`` command: one file per subcommand, each of which parses, calls one public function and prints.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 a known error, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import warnings
from functools import partial
from types import FrameType
from typing import TextIO, final

import click

from edgediff.cli import streams
from edgediff.cli.wording import as_options, with_option

INTERRUPTED = 130
_COMMANDS = (
    "export",
    "run",
    "grid",
    "inspect",
    "verify",
    "tune",
    "models",
    "devices",
    "samplers",
    "bench",
    "plan",
    "web",
    "cache",
)


@final
class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"edgediff.cli.{cmd_name}").command
        return command


# Options that save memory, and how.
_SAVING = {
    "--size": "a smaller",
    "--images": "fewer",
    "--batch": "a smaller",
    "--trial-size": "a smaller",
    "--low-memory": "",
}
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
    streams.accept_all_characters()
    warnings.showwarning = _show_warning
    _end_as_by_interrupt()
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"] or ["--help"]
    try:
        code = group.main(args=arguments, prog_name="edgediff", standalone_mode=False)
        streams.flush()
        if code:  # what a command ended its context with
            sys.exit(code)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        _show_error(error.format_message(), hint=None if context is None else f"see `{context.command_path} --help`")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        for number in (signal.SIGINT, signal.SIGTERM):  # of one more there is nothing left to tell
            signal.signal(number, signal.SIG_DFL)
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if debug or not _told(error, arguments):
            raise
        sys.exit(1)


def _end_as_by_interrupt() -> None:
    """Signals that end a process do what Ctrl-C does: half-done work is cleared away, partial results are kept."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # of service managers and `timeout`
    # Of a terminal that is closed. Where it is ignored somebody wants the command to go on, as `nohup` does.
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, partial(_hung_up, streams.terminals()))


def _hung_up(terminals: list[TextIO], number: int, frame: FrameType | None) -> None:
    for stream in terminals:  # it is gone: writing there would fail
        streams.throw_away(stream)
    signal.default_int_handler(number, frame)


def _told(error: Exception, arguments: list[str]) -> bool:
    """Show a known error in a sentence; False for one that is not known."""
    from edgediff_runtimes.errors import EdgediffError, SettingError

    if isinstance(error, MemoryError):  # of which the library's own hints know no command
        sentence = f"there is not enough memory: {error}"
        if isinstance(error, EdgediffError):
            sentence = error.sentence
        _show_error(sentence, hint=_what_needs_less(arguments))
    elif isinstance(error, SettingError):
        _show_error(with_option(error.sentence, error.setting, group), hint=error.hint)
    elif isinstance(error, EdgediffError):
        _show_error(error.sentence, hint=error.hint)
    elif isinstance(error, OSError) and streams.failed_to_print(error):
        if not isinstance(error, BrokenPipeError):  # who has read enough need not hear of it
            _show_error(f"the output cannot be written: {error.strerror or error}", hint=None)
    else:
        return False
    return True


def _what_needs_less(arguments: list[str]) -> str | None:
    """What of a command's own options saves memory; None where none does."""
    name = next((argument for argument in arguments if argument in _COMMANDS), "")
    command = group.get_command(click.Context(group), name)
    options = {text for param in command.params for text in param.opts} if command is not None else set()
    found = [f"{how} {option}".strip() for option, how in _SAVING.items() if option in options]
    return None if not found else f"less is needed with {', '.join(found)}"


def _show_error(sentence: str, *, hint: str | None) -> None:
    click.echo(f"{_painted('error:', 'red')} {sentence}", err=True)
    if hint is not None:
        click.echo(f"{_painted('hint:', 'cyan')} {as_options(hint, group)}", err=True)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"{_painted('warning:', 'yellow')} {as_options(str(message), group)}", err=True)


def _painted(word: str, colour: str) -> str:
    # click leaves colours out where there is no terminal, but does not know NO_COLOR
    return word if os.environ.get("NO_COLOR") else click.style(word, fg=colour, bold=True)
