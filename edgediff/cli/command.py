"""A subcommand: its options in sections, its examples, and a hint where an option has another name here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import click


@final
@dataclass(frozen=True)
class Section:
    """Options that stand together in the help."""

    title: str
    options: tuple[click.Option, ...]


@final
class Command(click.Command):
    """A command of click's whose help has sections and examples.

    Args:
        examples: Command lines, each with what it does behind two spaces and a ``#`` where that needs a word.
        sections: Options beside those of decorators, which stand last, under a title of their own.
        **attributes: As ``click.Command`` takes them.
    """

    def __init__(
        self,
        *,
        examples: tuple[str, ...],
        sections: tuple[Section, ...] = (),
        **attributes: Any,  # noqa: ANN401 - click's
    ) -> None:
        self.examples = examples
        self.sections = sections
        listed = [option for section in sections for option in section.options]
        attributes["params"] = [*(attributes.get("params") or ()), *listed]
        super().__init__(**attributes)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; an unknown option is answered with the name it has here."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from edgediff_runtimes.other_names import OTHER_NAMES

            ours = OTHER_NAMES.get(error.option_name.lstrip("-").replace("-", "_").lower())
            meant = [max(param.opts, key=len) for param in self.params if ours in _names(param)]
            if not meant:
                raise
            sentence = f"No such option {error.option_name}: it is called {meant[0]} here"
            raise click.UsageError(sentence, ctx) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, then all other options."""
        listed = [option for section in self.sections for option in section.options]
        others = tuple(p for p in self.get_params(ctx) if isinstance(p, click.Option) and p not in listed)
        for section in (*self.sections, Section("Other options" if listed else "Options", others)):
            with formatter.section(section.title):
                formatter.write_dl([row for option in section.options if (row := option.get_help_record(ctx))])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are typed, never broken."""
        with formatter.section("Examples"):
            formatter.write("".join(f"{'':{formatter.current_indent}}{line}\n" for line in self.examples))
        super().format_epilog(ctx, formatter)


def _names(param: click.Parameter) -> set[str]:
    """What an option stands for: its name as the API has it, and its own long names."""
    return {str(param.name), *(opt.lstrip("-").replace("-", "_") for opt in param.opts)}
