"""`memporium ask`: a request in plain language, and what it was read as."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from memporium import ask as asking
from memporium.cli import _recollection
from memporium.cli._context import session
from memporium.cli._moment import moment
from memporium.cli._output import as_dict, errors, line, print_json, show
from memporium.reader.v1 import memory_call_pb2 as pb


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(epilog="Example: memporium ask notes 'what did Ana say about Rome last week?' --plan")(ask)


def ask(
    context: typer.Context,
    vault: Annotated[str, typer.Argument(help="Vault: its id in your organisation, or its full name.")],
    text: Annotated[str, typer.Argument(help="What to look up, keep, change, forget or list, in plain words.")],
    plan: Annotated[bool, typer.Option("--plan", help="Only show what the request is read as.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Forget what a request to forget names, without asking.")] = False,
    speaker: Annotated[str, typer.Option(help="Who says what is to be kept.")] = "user",
    now: Annotated[str, typer.Option(help="The time of asking (ISO 8601); empty: now.")] = "",
    time_zone: Annotated[str, typer.Option(help="IANA name of the zone in which days are meant; empty: UTC.")] = "",
) -> None:
    """Ask a memory in plain words; what forgets is shown first, and done only with --yes or when you say so."""
    run = session(context)
    times = {"now": moment(now)} if now else {}
    parent = run.absolute(vault, "vaults")
    call = run.client.reader.parse_memory_call(parent=parent, text=text, time_zone=time_zone, **times).call
    if plan:
        _show_plan(call, as_json=run.as_json)
        return
    if call.unclear:
        if run.as_json:
            print_json({"call": as_dict(call)})
        errors.print(f"[red]not clear[/red] {escape(call.unclear)}; nothing was done", soft_wrap=True)
        raise typer.Exit(code=1)
    answer = asking.execute(run.client, call, speaker=speaker)
    if answer.to_confirm and answer.cubes and not run.as_json and not yes:
        _show_cubes(answer, "would be forgotten")
        if not typer.confirm("Forget them for good?", default=False):
            line("[dim]nothing was forgotten[/dim]")
            return
        yes = True
    if yes:
        answer = asking.forget(run.client, answer)
    _show(answer, as_json=run.as_json)


def _show(answer: asking.Answer, *, as_json: bool) -> None:
    if as_json:
        recalled = as_dict(answer.recalled) if answer.recalled is not None else None
        shown = {"cubes": list(answer.cubes), "forgotten": answer.forgotten, "to_confirm": answer.to_confirm}
        print_json({"call": as_dict(answer.call), "recalled": recalled, **shown})
        return
    if answer.recalled is not None:
        for item in answer.recalled.items:
            _recollection.show_item(item)
        _recollection.show_refusals(answer.recalled.refusals)
        line(f"[dim]{len(answer.recalled.items)} recalled[/dim]")
    elif answer.forgotten:
        line(f"[green]forgotten[/green] {answer.forgotten} memories")
    elif answer.to_confirm:
        line("[dim]nothing that is to be forgotten was found[/dim]")
    elif answer.call.kind == pb.MEMORY_CALL_KIND_LIST:
        if answer.call.output == pb.MEMORY_CALL_OUTPUT_COUNT:
            line(str(answer.count))
        else:
            _show_cubes(answer, "listed")
    else:
        line(f"[green]kept[/green] {escape(answer.call.content)}")


def _show_cubes(answer: asking.Answer, word: str) -> None:
    for name in answer.cubes:
        line(escape(answer.titles.get(name, "") or "(no title)"))
        line(f"      [dim]{escape(name)}[/dim]")
    line(f"[dim]{len(answer.cubes)} {word}[/dim]")


def _show_plan(call: pb.MemoryCall, *, as_json: bool) -> None:
    spans = list(call.explanation)
    if as_json:
        show(call, as_json=True)
        return
    told = pb.MemoryCall()
    told.CopyFrom(call)
    del told.explanation[:]
    show(told, as_json=False)
    for one in spans:
        line(f"      [dim]{escape(f'{one.field}: {one.text.strip()!r}: {one.reason}')}[/dim]")
