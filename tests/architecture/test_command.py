"""Every command and every option explains itself, and the README shows every command."""

from __future__ import annotations

import shlex

import click
import pytest

from edgediff.cli import group

CONTEXT = click.Context(group)
COMMANDS = {name: group.get_command(CONTEXT, name) for name in group.list_commands(CONTEXT)}


def test_every_file_of_commands_is_a_command(root):
    files = {
        path.stem for path in (root / "edgediff" / "cli").glob("*.py") if "@click.command" in path.read_text("utf-8")
    }
    assert files == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_help(name):
    assert COMMANDS[name].name == name
    assert COMMANDS[name].get_short_help_str()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_examples_that_can_be_typed(name):
    help_ = COMMANDS[name].get_help(click.Context(COMMANDS[name], info_name=name))
    assert COMMANDS[name].examples
    for example in COMMANDS[name].examples:
        assert f"  {example}\n" in f"{help_}\n"
        words = shlex.split(example.partition(" > ")[0])
        arguments = words[words.index("edgediff") + 1 :]
        assert arguments.pop(0) == name
        COMMANDS[name].make_context(name, arguments)


def test_no_section_of_a_help_is_long():
    for command in COMMANDS.values():
        options = {section.title: len(section.options) for section in command.sections}
        assert {title: count for title, count in options.items() if count > 10} == {}


@pytest.mark.parametrize("name", ["edgediff", *COMMANDS])
def test_every_option_has_help(name):
    options = [p for p in COMMANDS.get(name, group).params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_shows_the_command(root, name):
    assert f"edgediff {name}" in (root / "README.md").read_text(encoding="utf-8")
