"""`memporium import` and `memporium export`: memories from and for other systems."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from memporium.cli._context import session
from memporium.cli._output import errors, line, print_json
from memporium.sources import formats
from memporium.sources.exporting import REDACTIONS, Exporting
from memporium.sources.importing import Importing
from memporium.sources.json_stream import JsonError
from memporium.sources.writers import WRITERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium.sources.items import Problem

_SHOWN = 20
_MARKS = re.compile(r"[^\w./:#@ ()-]")

Vault = Annotated[str, typer.Argument(help="Vault: its id in your organisation, or its full name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read everything, say what would be done, and write nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command("import", epilog="Example: memporium import notes conversations.json --dry-run")(import_)
    app.command("export", epilog="Example: memporium export notes notes.jsonl --redact mask")(export)


def import_(
    context: typer.Context,
    vault: Vault,
    path: Annotated[Path, typer.Argument(help="File or folder to import.", exists=True)],
    name: Annotated[
        str, typer.Option("--format", help=f"{', '.join(formats.FORMATS)}; empty: told from what is there.")
    ] = "",
    tag: Annotated[list[str], typer.Option(help="Label of every memory; may be repeated.")] = [],
    dry_run: DryRun = False,
) -> None:
    """Import memories: MemOS cubes, mem0 JSON, Markdown folders, ChatGPT conversations, JSON lines.

    What the vault holds already is not put there twice, so an import may be repeated.
    """
    run = session(context)
    if name and name not in formats.READERS:
        raise typer.BadParameter(f"must be one of {', '.join(formats.FORMATS)}", param_hint="--format")
    importing = Importing(
        run.client,
        run.absolute(vault, "vaults"),
        tags=tag,
        dry_run=dry_run,
        progress=lambda now: _progress(f"{now.new} new, {now.known} known"),
    )
    try:
        report = importing.run(formats.read(path, name))
    except JsonError as error:
        raise typer.BadParameter(str(error), param_hint="PATH") from None
    if run.as_json:
        print_json(_plain(report))
        return
    done = "would be imported" if dry_run else "imported"
    read = ((report.memories, "memories"), (report.chats, "chats"), (report.pages, "documents"))
    told = ", ".join(f"{count} {what}" for count, what in read if count) or "nothing"
    line(f"[green]{done}[/green] {told}: {report.new} new, {report.known} known")
    _show(report.problems, report.problem_count)


def export(
    context: typer.Context,
    vault: Vault,
    path: Annotated[Path, typer.Argument(help="File or folder to make.")],
    name: Annotated[str, typer.Option("--format", help=f"{', '.join(WRITERS)}; empty: by the path's ending.")] = "",
    tag: Annotated[list[str], typer.Option(help="Only memories with all of these labels.")] = [],
    redact: Annotated[str, typer.Option(help=f"Redact personal data: {', '.join(REDACTIONS)}.")] = "",
    kind: Annotated[list[str], typer.Option(help="Kind of personal data to redact; may be repeated; none: all.")] = [],
    dry_run: DryRun = False,
) -> None:
    """Export memories into other systems' files; licensed ones only where their licence permits that.

    Mounted packs stay where they are.
    """
    run = session(context)
    name = name or {".jsonl": "jsonl", ".json": "mem0", "": "markdown"}.get(path.suffix.lower(), "")
    if name not in WRITERS:
        raise typer.BadParameter(f"must be one of {', '.join(WRITERS)}", param_hint="--format")
    if redact and redact not in REDACTIONS:
        raise typer.BadParameter(f"must be one of {', '.join(REDACTIONS)}", param_hint="--redact")
    exporting = Exporting(
        run.client,
        run.absolute(vault, "vaults"),
        tags=tag,
        redact=redact,
        kinds=kind,
        dry_run=dry_run,
        progress=lambda now: _progress(f"{now.cubes} written"),
    )
    report = exporting.run(path, name)
    if run.as_json:
        print_json(_plain(report))
        return
    line(f"[green]{'would be exported' if dry_run else 'exported'}[/green] {report.cubes} memories")
    if report.findings:
        told = ", ".join(f"{count} {entity}" for entity, count in sorted(report.findings.items()))
        line(f"[dim]redacted {escape(told)}[/dim]")
    for attribution in report.attributions:
        line(f"[magenta]{escape(attribution)}[/magenta]")
    _show(report.problems, report.problem_count)


def _progress(text: str) -> None:
    if errors.is_terminal:
        errors.print(f"[dim]{escape(text)}[/dim]", end="\r")


def _show(problems: Iterable[Problem], count: int) -> None:
    """Print what was left out; names of files are a stranger's, so nothing of them reaches the terminal but letters."""
    for problem in list(problems)[:_SHOWN]:
        line(f"[yellow]left out[/yellow] {escape(_MARKS.sub('?', problem.place))}: {escape(problem.why)}")
    if count > _SHOWN:
        line(f"[dim]{count - _SHOWN} more left out; --json lists 1,000[/dim]")


def _plain(report: Any) -> dict[str, Any]:
    told = {key: value for key, value in vars(report).items() if key != "problems"}
    return {**told, "problems": [{"place": one.place, "why": one.why} for one in report.problems]}
