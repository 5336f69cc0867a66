"""`memporium licence ...`: what terms say in plain words and in ODRL, and why a use was refused."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.markup import escape

from memporium.cli import _offline, _plain, _terms
from memporium.cli._context import Session, session
from memporium.cli._output import as_dict, line, print_json, show_rows
from memporium.cube.v1 import cube_pb2
from memporium.governance.v1 import audit_pb2
from memporium.memstore.v1 import licence_calls_pb2, terms_pb2

app = typer.Typer(name="licence", help="Licence terms in plain words and in ODRL.", no_args_is_help=True)

Subject = Annotated[
    str,
    typer.Argument(
        help="Full name of an agreement or an offer; or, without a server, a template's name, a file with terms, "
        "or an agreement saved by `memporium --json agreement get`."
    ),
]
_RESERVE = "memstore.entitlements.reserve"
_SHOWN_REFUSALS = 20
_ANSWERS = {1: "permitted now", 2: "refused", 3: "refused, since something is not known"}


@app.command(epilog="Example: memporium licence explain orgs/acme/agreements/AGREEMENT --action read --for support")
def explain(
    context: typer.Context,
    subject: Subject,
    action: Annotated[str, typer.Option(help="Say what would happen to this, for instance read or derive-lora.")] = "",
    form: Annotated[str, typer.Option(help="On this form: plaintext, activation or parameter.")] = "plaintext",
    purpose: Annotated[str, typer.Option("--for", help="For this purpose.")] = "",
    region: Annotated[str, typer.Option(help="In this region.")] = "",
    by: Annotated[str, typer.Option(help="By this principal, its full name; default: you.")] = "",
    to: Annotated[list[str], typer.Option(help="Handed to this organisation; may be repeated.")] = [],
    memories: Annotated[int, typer.Option(help="On so many memories.")] = 1,
    refused: Annotated[bool, typer.Option(help="Say which uses were refused of late, and why, by the log.")] = False,
    decision: Annotated[str, typer.Option(help="Say why the call with this decision id was refused.")] = "",
) -> None:
    """Say what an agreement, an offer, a template or a file allows, and why a use is or was refused."""
    run, use = session(context), None
    if action:
        units = terms_pb2.UseUnits(calls=1, memories=memories)
        use = licence_calls_pb2.ImaginedUse(
            action=_value(terms_pb2.LicenceAction, "LICENCE_ACTION_", action, "--action"),
            form=_value(cube_pb2.MemoryForm, "MEMORY_FORM_", form, "--form"),
            purpose=purpose,
            region=region,
            workload=by,
            recipients=[run.parent(org) for org in to],
            units=units,
        )
    request = {} if _offline.is_offline(subject) else _subject(subject)
    if request:
        found = run.client.memstore.explain_terms(**request, use=use)
    else:
        found = _offline.explained(subject, _declared(run, use))
    refusals = _refusals(run, request.get("agreement", ""), decision) if refused or decision else []
    if run.as_json:
        print_json(as_dict(found) | ({"refusals": [as_dict(one) for one in refusals]} if refused or decision else {}))
        return
    _show(found)
    if refused or decision:
        _show_refusals(refusals)


@app.command(epilog="Example: memporium licence odrl research-only > research.jsonld")
def odrl(context: typer.Context, subject: Subject) -> None:
    """Print terms as an ODRL 2.2 policy (JSON-LD); `--terms FILE` reads it back, and what is not known is refused."""
    run = session(context)
    if _offline.is_offline(subject):
        from memporium_platform.licence.odrl import odrl_of

        terms = terms_pb2.LicenceTerms.FromString(_offline.terms_content(subject, _offline.agreement_in(subject)))
        sys.stdout.write(json.dumps(odrl_of(terms), indent=2, ensure_ascii=False) + "\n")
        return
    given: dict[str, Any] = dict(_subject(subject))
    if "offer" in given:
        offer = run.client.memstore.get_offer(name=given["offer"]).offer
        given = {"terms": offer.terms_document.terms}
    sys.stdout.write(run.client.memstore.convert_terms(**given).odrl + "\n")


@app.command(epilog="Example: memporium licence templates on-platform-only > terms.yaml")
def templates(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Template to print, to be changed and given as a file.")] = "",
) -> None:
    """List the licence templates that the platform ships, or print one."""
    _terms.show_templates(name, as_json=session(context).as_json)


def _subject(given: str) -> dict[str, str]:
    return {"agreement": given} if "/agreements/" in given else {"offer": given}


def _declared(run: Session, use: licence_calls_pb2.ImaginedUse | None) -> licence_calls_pb2.ImaginedUse | None:
    """Return a use with what the options before the command declare, where it says nothing itself."""
    if use is not None:
        use.purpose, use.region = use.purpose or run.purpose, use.region or run.region
    return use


def _value(enum: Any, prefix: str, given: str, hint: str) -> Any:
    name = prefix + given.upper().replace("-", "_")
    if name not in enum.keys():  # noqa: SIM118 - an enum's descriptor is no mapping
        known = ", ".join(key.removeprefix(prefix).lower().replace("_", "-") for key in enum.keys()[1:])
        raise typer.BadParameter(f"{given} is not known; there are {known}", param_hint=hint)
    return enum.Value(name)


def _show(found: licence_calls_pb2.ExplainTermsResponse) -> None:
    if found.title:
        line(f"[bold]{escape(found.title)}[/bold]")
    for sentence in [*found.standing, *found.allowed, *found.forbidden, *found.duties, *found.left]:
        line(f"  - {escape(sentence)}")
    if not found.HasField("verdict"):
        return
    verdict = found.verdict
    why = f": {verdict.message} ({verdict.term})" if verdict.message else ""
    line(f"This use: {_ANSWERS.get(verdict.answer, 'not known')}{escape(why)}")
    for sentence in verdict.further:
        line(f"  - also: {escape(sentence)}")


def _refusals(run: Session, agreement: str, decision: str) -> list[audit_pb2.AuditRecord]:
    """Return the newest refusals of uses under an agreement, or those of one call."""
    if not agreement:
        raise typer.BadParameter("the log knows refusals of agreements alone", param_hint="--refused")
    chosen = audit_pb2.LogFilter(actions=[_RESERVE], resource=agreement, effect=audit_pb2.AUDIT_EFFECT_DENY)
    entries = run.client.governance.query_log(parent=run.org, page_size=1000, filter=chosen).entries
    records = [entry.record for entry in entries]
    if decision:
        return [one for one in records if decision in {one.decision_id, one.root_id}]
    return records[:_SHOWN_REFUSALS]


def _show_refusals(records: list[audit_pb2.AuditRecord]) -> None:
    if not records:
        line("No refusal of a use under it stands in the log.")
        return
    rows = [
        (
            _plain.pick(one, "time"),
            one.principal,
            one.details.get("action", "").lower().replace("_", "-"),
            one.purpose,
            one.reason,
            one.details.get("term", ""),
        )
        for one in records
    ]
    show_rows(("time", "by", "action", "purpose", "refused", "term"), rows)
