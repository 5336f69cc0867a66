"""`memporium doctor`: what is here and what is missing; `memporium health`: whether a platform answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import typer
from rich.markup import escape

from memporium.cli._context import session
from memporium.cli._output import console, line, print_json
from memporium.client._transport import open_channel
from memporium.client.errors import from_rpc_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.checkup import Finding

_COLOURS = {"ok": "green", "missing": "yellow", "wrong": "red"}
_ANSWER_S = 5.0


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(epilog="Example: memporium doctor")(doctor)
    app.command(epilog="Example: memporium health")(health)


def doctor(context: typer.Context) -> None:
    """Look for wrong settings, engines out of reach and missing models, and say what to do; exit 1: one is wrong."""
    from memporium_services.checkup import findings

    found = findings()
    if session(context).as_json:
        print_json([finding.as_dict() for finding in found])
    else:
        show_findings(found)
    if any(finding.state == "wrong" for finding in found):
        raise typer.Exit(code=1)


def health(context: typer.Context) -> None:
    """Ask the platform at --address whether it serves; needs no key. Exit 1: it does not, 3: it is not reached."""
    from grpc_health.v1 import health_pb2

    run = session(context)
    with open_channel(run.client.target) as channel:
        try:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            answer = check(health_pb2.HealthCheckRequest(), timeout=_ANSWER_S)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if run.as_json:
        print_json({"status": status})
    else:
        line(f"{run.address} {status.lower().replace('_', ' ')}")
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise typer.Exit(code=1)


def show_findings(found: Sequence[Finding]) -> None:
    """Print a line for each finding: the state, what, why, and what to do; the last on its own line if it is long."""
    width = max((len(finding.what) for finding in found), default=0)
    for finding in found:
        colour = _COLOURS[finding.state]
        head = (
            f"[{colour}]{finding.state:<7}[/{colour}]  {escape(f'{finding.what:<{width}}')}  {escape(finding.detail)}"
        )
        plain = len(finding.state) + width + len(finding.detail) + 6
        if not finding.advice:
            line(head)
        elif plain + len(finding.advice) <= console.width:
            line(f"{head}: {escape(finding.advice)}")
        else:
            line(f"{head}\n         {escape(finding.advice)}")
