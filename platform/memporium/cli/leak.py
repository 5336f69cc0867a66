"""`memporium trace FILE`: whose copy of a pack a leak is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from memporium.cli._context import session
from memporium.cli._output import as_dict, line, print_json, show_rows
from memporium.cli._pages import all_pages
from memporium.transfer.v1 import tracing_pb2
from memporium.transfer.v1 import transfer_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from memporium.cli._context import Session

_PIECE = 1 << 20
# Comparing a long sample with many copies takes longer than an ordinary call.
_TIMEOUT_S = 600.0
_SHOWN = 10
_COLOURS = {"TRACED": "red", "UNDECIDED": "yellow", "NOT_OURS": "green"}


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(epilog="Example: memporium trace leaked.json --listing birds")(trace)


def trace(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(help="What leaked: text, JSON, an agent's answers, or a tensor file; `-`: standard input.")
    ] = "",
    listing: Annotated[str, typer.Option(help="Listing whose copies are compared: its id, or its full name.")] = "",
    questions: Annotated[
        bool, typer.Option("--questions", help="List what to ask an agent instead; trace the file of its answers.")
    ] = False,
) -> None:
    """Name the recipients whose copy of your pack leaked, or say that it cannot be told."""
    run = session(context)
    if not listing or bool(file) == questions:
        raise typer.BadParameter("give --listing, and either a file or --questions")
    name = run.absolute(listing, "listings")
    if questions:
        _show_questions(run, name)
        return
    if file == "-":
        response = run.client.transfer.trace_leak(_requests(run.org, name, sys.stdin.buffer), timeout_s=_TIMEOUT_S)
    else:
        with Path(file).open("rb") as opened:
            response = run.client.transfer.trace_leak(_requests(run.org, name, opened), timeout_s=_TIMEOUT_S)
    if run.as_json:
        print_json(as_dict(response))
        return
    _show(response)


def _requests(org: str, listing: str, sample: BinaryIO) -> Iterator[pb.TraceLeakRequest]:
    yield pb.TraceLeakRequest(header=pb.TraceLeakHeader(parent=org, listing=listing))
    while piece := sample.read(_PIECE):
        yield pb.TraceLeakRequest(data=piece)


def _show(response: pb.TraceLeakResponse) -> None:
    verdict = tracing_pb2.TraceVerdict.Name(response.verdict).removeprefix("TRACE_VERDICT_")
    colour = _COLOURS.get(verdict, "white")
    line(f"[{colour}]{verdict.lower().replace('_', ' ')}[/{colour}]  {escape(response.explanation)}")
    shown = [suspect for at, suspect in enumerate(response.suspects) if suspect.accused or at < _SHOWN]
    rows = [
        (
            suspect.recipient,
            suspect.agreement.rsplit("/", 1)[-1],
            f"{suspect.z:.1f}",
            f"10^{suspect.log10_p:.0f}",
            suspect.detector,
            "accused" if suspect.accused else "",
        )
        for suspect in shown
    ]
    if rows:
        show_rows(("recipient", "agreement", "z", "chance", "detector", ""), rows)


def _show_questions(run: Session, listing: str) -> None:
    method = run.client.transfer.list_canary_questions
    found = list(all_pages(method, "questions", parent=run.org, listing=listing))
    if run.as_json:
        print_json([as_dict(one) for one in found])
        return
    rows = [(one.question, one.recipient, one.agreement.rsplit("/", 1)[-1]) for one in found]
    show_rows(("question", "recipient", "agreement"), rows)
