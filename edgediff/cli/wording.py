"""Hints as the command says them: written once, in Python's words, and turned into options here.

An error's hint names a setting as a program would give it, in backticks: ```low_memory=True```. Of the command it is
```--low-memory```. What is no option of any subcommand, such as a sampler's field, stays as it is.
A sentence stays too, but for the name of the setting that it is about, and those of two words in what was expected.
"""

from __future__ import annotations

import ast
import re

import click

_QUOTED = re.compile(r"`([^`]+)`")
_TWO_WORDS = re.compile(r"`(\w+_\w+)`")
_EXPECTED = ": expected "
_SETTING = re.compile(r"(\w+)(?:=(.+))?")
_CALL = re.compile(r"edgediff\.(\w+)\(([^()]*)\)")


def as_options(hint: str, group: click.Group) -> str:
    """A hint with its settings as options and its calls as commands.

    Args:
        hint: As an error has it.
        group: The command whose subcommands have the options.
    """
    commands = _commands(group)
    options = _options(commands)

    def worded(quoted: re.Match[str]) -> str:
        text = quoted[1]
        call, setting = _CALL.fullmatch(text), _SETTING.fullmatch(text)
        if call is not None and call[1] in commands:
            words = [_argument(word.strip(), options) for word in call[2].split(",")]
            return f"`{' '.join(['edgediff', call[1], *words])}`"
        if setting is not None and setting[1] in options:
            return f"`{_option(setting[1], setting[2], options)}`"
        return quoted[0]

    return _QUOTED.sub(worded, hint)


def with_option(sentence: str, setting: str, group: click.Group) -> str:
    """A sentence with the setting that it is about as the command calls it, where that is another word.

    Args:
        sentence: As a ``SettingError`` has it.
        setting: The setting's name in Python.
        group: The command whose subcommands have the options.
    """
    from edgediff.cli.run_options import PAIRS

    pairs = {name: f"--{pair.replace('_', '-')}" for pair, names in PAIRS.items() for name in names}
    options = _options(_commands(group))
    option = pairs.get(setting) or options.get(setting, setting)
    if option.lstrip("-") != setting:
        sentence = sentence.replace(f"`{setting}`", f"`{option}`", 1)
    # What was got is the user's text and stays; what was expected names settings of two words as Python does.
    before, mark, expected = sentence.rpartition(_EXPECTED)
    return before + mark + _TWO_WORDS.sub(lambda found: f"`{options.get(found[1], found[1])}`", expected)


def _commands(group: click.Group) -> dict[str, click.Command]:
    context = click.Context(group)
    named = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in named.items() if command is not None}


def _options(commands: dict[str, click.Command]) -> dict[str, str]:
    """The longest spelling of every option, by its name in Python and by that spelling's own words."""
    return {
        name: max(param.opts, key=len)
        for command in commands.values()
        for param in command.params
        if isinstance(param, click.Option)
        for name in (str(param.name), max(param.opts, key=len).lstrip("-").replace("-", "_"))
    }


def _argument(word: str, options: dict[str, str]) -> str:
    """``source`` becomes ``SOURCE``, ``"name"`` its text, ``overwrite=True`` an option."""
    name, found, value = word.partition("=")
    if found and name in options:
        return _option(name, value, options)
    return word.upper() if word.isidentifier() else _text(word)


def _option(name: str, value: str | None, options: dict[str, str]) -> str:
    if value in (None, "True"):
        return options[name]
    literal = _literal(str(value))
    if isinstance(literal, dict):  # the option once for each
        return " ".join(f"{options[name]} {key}={each}" for key, each in literal.items())
    return f"{options[name]} {literal}"


def _text(literal: str) -> str:
    """A Python value as it is typed as an argument: without quotes."""
    return str(_literal(literal))


def _literal(text: str) -> object:
    """A Python value; words that are none stay words."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
