"""What a shell completes for an option: names that this machine knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import click
from click.shell_completion import CompletionItem

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def samplers(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Names and aliases of samplers, with the paper."""
    from edgediff_runtimes.sampling import sampler_table

    items = [(name, row.source) for row in sampler_table() for name in (row.name, *row.aliases)]
    return [CompletionItem(name, help=source) for name, source in sorted(items) if name.startswith(typed)]


def models(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Shipped models, and folders: a bundle is one."""
    from edgediff.api import shipped_models

    return [*_starting(shipped_models(), typed), CompletionItem(typed, type="dir")]


def models_and_pictures(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Shipped models, folders and files."""
    from edgediff.api import shipped_models

    return [*_starting(shipped_models(), typed), CompletionItem(typed, type="file")]


def engines(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Engines, installed or not."""
    from edgediff_runtimes.engines import ENGINES

    return _starting(ENGINES, typed)


def devices(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Devices of the engines that are installed."""
    from edgediff.api import describe_devices

    found = {name for engine in describe_devices()["engines"].values() for name in engine.get("devices", ())}
    return _starting({"auto", *found}, typed)


def one_of(*words: str) -> Completer:
    """A completer of these words."""

    def completer(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
        return _starting(words, typed)

    return completer


def _starting(words: Iterable[str], typed: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in sorted(words) if word.startswith(typed)]


def files(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Files and folders, as the shell completes them."""
    return [CompletionItem(typed, type="file")]
