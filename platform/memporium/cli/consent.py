"""`memporium consent ...`: uses that wait for the provider's consent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from memporium.cli._context import session
from memporium.cli._output import show, show_all
from memporium.cli._pages import all_pages
from memporium.cli._verbs import Reason, add_verbs
from memporium.memstore.v1 import terms_pb2

app = typer.Typer(name="consent", help="Consents that licences ask for before a use.", no_args_is_help=True)

_VERBS = {
    "deny": "Refuse consent (provider).",
    "withdraw": "Take back a consent (provider), or a request (consumer); the next use is refused.",
}
_SHOWN = ["name", "action", "purpose", "state", "reason", "expire_time"]
_PREFIX = "LICENCE_ACTION_"


@app.command(name="list", epilog="Example: memporium consent list orgs/acme/agreements/AGREEMENT")
def list_(
    context: typer.Context, agreement: Annotated[str, typer.Argument(help="Full name of the agreement.")]
) -> None:
    """List what was asked for and decided under an agreement."""
    run = session(context)
    found = all_pages(run.client.memstore.list_consents, "consents", parent=run.absolute(agreement, "agreements"))
    show_all(found, _SHOWN, as_json=run.as_json)


@app.command(epilog="Example: memporium consent request orgs/acme/agreements/AGREEMENT infer-with --for support")
def request(
    context: typer.Context,
    agreement: Annotated[str, typer.Argument(help="Full name of the agreement.")],
    action: Annotated[str, typer.Argument(help="What is to be done, for instance infer-with.")],
    purpose: Annotated[str, typer.Option("--for", help="The purpose that the uses will declare.")] = "",
    reason: Reason = "",
) -> None:
    """Ask the provider for consent (consumer); a use that lacks it asks by itself."""
    run = session(context)
    name = _PREFIX + action.upper().replace("-", "_")
    if name not in terms_pb2.LicenceAction.keys():  # noqa: SIM118 - an enum's descriptor is no mapping
        raise typer.BadParameter(f"{action} is not known", param_hint="ACTION")
    asked = run.client.memstore.request_consent(
        parent=run.absolute(agreement, "agreements"),
        action=terms_pb2.LicenceAction.Value(name),
        purpose=purpose,
        reason=reason,
    )
    show(asked.consent, as_json=run.as_json)


@app.command(epilog="Example: memporium consent grant orgs/acme/agreements/AGREEMENT/consents/CONSENT --days 30")
def grant(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Full name of the consent.")],
    days: Annotated[int, typer.Option(help="It ends after so many days; 0: with the agreement.", min=0)] = 0,
    reason: Reason = "",
) -> None:
    """Give consent (provider)."""
    run = session(context)
    until = None
    if days:
        until = Timestamp()
        until.FromDatetime(datetime.now(UTC) + timedelta(days=days))
    show(run.client.memstore.grant_consent(name=name, expire_time=until, reason=reason).consent, as_json=run.as_json)


def _change(context: typer.Context, verb: str, name: str, reason: str) -> None:
    run = session(context)
    call = getattr(run.client.memstore, f"{verb}_consent")
    show(call(name=name, reason=reason).consent, as_json=run.as_json)


add_verbs(app, "consent", _VERBS, _change, example="orgs/acme/agreements/AGREEMENT/consents/CONSENT")
