"""The ``edgediff`` command: one file per subcommand, each of which parses, calls one public function and prints.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 a known error, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import TYPE_CHECKING, final

import click

if TYPE_CHECKING:
    from edgediff_runtimes.errors import EdgediffError

INTERRUPTED = 130
_COMMANDS = ("export", "run", "inspect", "verify", "devices")


@final
class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"edgediff.cli.{cmd_name}").command
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="edgediff")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(*, debug: bool) -> None:
    """Diffusion models on your own device: export them once, run them without PyTorch."""


def main() -> None:
    """Run the command and exit."""
    warnings.showwarning = _show_warning
    debug = "--debug" in sys.argv
    try:
        group.main(args=[argument for argument in sys.argv[1:] if argument != "--debug"], standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        from edgediff_runtimes.errors import EdgediffError

        if debug or not isinstance(error, EdgediffError):
            raise
        _show_error(error)
        sys.exit(1)


def _show_error(error: EdgediffError) -> None:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {error.sentence}", err=True)
    if error.hint is not None:
        click.echo(f"{click.style('hint:', fg='cyan', bold=True)} {error.hint}", err=True)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"{click.style('warning:', fg='yellow', bold=True)} {message}", err=True)
