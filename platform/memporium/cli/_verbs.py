"""Commands that are one word on one resource: `memporium listing publish NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Reason = Annotated[str, typer.Option(help="Goes into the history and the audit log.")]


def add_verbs(
    app: typer.Typer,
    group: str,
    verbs: Mapping[str, str],
    run: Callable[[typer.Context, str, str, str], None],
    *,
    example: str,
) -> None:
    """Add a command for each verb.

    Args:
        app: The group.
        group: Its name.
        verbs: What each verb does, by verb.
        run: Takes the context, the verb, the resource's name and the reason.
        example: A name for the example in the help.
    """
    for verb, text in verbs.items():
        _add(app, verb, text, run, epilog=f"Example: memporium {group} {verb} {example}")


def _add(
    app: typer.Typer,
    verb: str,
    text: str,
    run: Callable[[typer.Context, str, str, str], None],
    *,
    epilog: str,
) -> None:
    def command(
        context: typer.Context,
        name: Annotated[str, typer.Argument(help="Its id in your organisation, or its full name.")],
        reason: Reason = "",
    ) -> None:
        run(context, verb, name, reason)

    command.__doc__ = text
    app.command(name=verb, epilog=epilog)(command)
