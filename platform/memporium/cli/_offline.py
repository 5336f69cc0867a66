"""Terms explained without any server: templates, files with terms or ODRL, and agreements that were saved as JSON."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from google.protobuf.json_format import ParseDict, ParseError

from memporium.cli import _terms
from memporium.memstore.v1 import agreement_pb2, licence_calls_pb2

if TYPE_CHECKING:
    from memporium_platform.licence.evaluate import Decision
    from memporium_platform.licence.terms import Terms

_VERDICT = licence_calls_pb2.Verdict


def is_offline(subject: str) -> bool:
    """Return whether a subject is a template or a file: neither needs a server."""
    return Path(subject).exists() or not ("/agreements/" in subject or "/offers/" in subject)


def explained(subject: str, use: licence_calls_pb2.ImaginedUse | None) -> licence_calls_pb2.ExplainTermsResponse:
    """Return what a template or a file says, as if it had come into force now or, for an agreement, when it did.

    Raises:
        typer.BadParameter: It says no terms, or the agreement in it is not what was signed.
    """
    from memporium_platform.licence.codec import digest_of, read_terms
    from memporium_platform.licence.explain import explain

    agreement = agreement_in(subject)
    content = terms_content(subject, agreement)
    terms = read_terms(content)
    told = explain(terms)
    message = licence_calls_pb2.ExplainTermsResponse(
        title=_title(content),
        terms_sha256=digest_of(content),
        standing=_standing(agreement) if agreement is not None else [],
        allowed=told.allowed,
        forbidden=told.forbidden,
        duties=told.duties,
    )
    if use is not None:
        message.verdict.CopyFrom(_verdict(_objections(terms, use, agreement)))
    return message


def terms_content(subject: str, agreement: agreement_pb2.Agreement | None) -> bytes:
    """Return the bytes of the terms of a template, a file or a saved agreement."""
    from memporium_platform.errors import PlatformError
    from memporium_platform.licence.check import check_terms

    if agreement is not None:
        return agreement.terms_document.content
    try:
        return check_terms(_terms.read(subject), "terms")
    except PlatformError as error:
        places = "; ".join(f"{one.field}: {one.description}" for one in error.fields)
        raise typer.BadParameter(f"{subject}: {places or error.message}") from None


def agreement_in(subject: str) -> agreement_pb2.Agreement | None:
    """Return the agreement that a file holds (`memporium --json agreement get`), or None where it holds another thing.

    Raises:
        typer.BadParameter: Its terms are not those that were signed.
    """
    try:
        parsed = json.loads(Path(subject).read_text(encoding="utf-8"))
        if not isinstance(parsed, dict) or not {"terms_document", "termsDocument"} & set(parsed):
            return None
        agreement = ParseDict(parsed, agreement_pb2.Agreement(), ignore_unknown_fields=True)
        signed = json.loads(agreement.document.payload)["terms_sha256"]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, ParseError):
        return None
    if hashlib.sha256(agreement.terms_document.content).hexdigest() != signed:
        raise typer.BadParameter(f"{subject}: the terms are not those that were signed")
    return agreement


def _title(content: bytes) -> str:
    from memporium.memstore.v1 import terms_pb2

    return terms_pb2.LicenceTerms.FromString(content).title


def _standing(agreement: agreement_pb2.Agreement) -> list[str]:
    state = agreement_pb2.Agreement.State.Name(agreement.state).removeprefix("STATE_").lower()
    end = (
        f", until {agreement.expire_time.ToDatetime():%Y-%m-%d %H:%M} UTC" if agreement.HasField("expire_time") else ""
    )
    return [
        f"{agreement.name} of {agreement.provider} and {agreement.consumer} was {state} when the file was saved{end}.",
        "The signatures, the state now and what is left of quotas are not known without a server.",
    ]


def _objections(
    terms: Terms, use: licence_calls_pb2.ImaginedUse, agreement: agreement_pb2.Agreement | None
) -> list[Decision]:
    from memporium_platform.licence.codec import ACTIONS, FORMS
    from memporium_platform.licence.evaluate import Decision, Use, Verdict, objections

    now = datetime.now(UTC)
    activated = now
    if agreement is not None and agreement.HasField("activate_time"):
        activated = agreement.activate_time.ToDatetime(tzinfo=UTC)
    asked = Use(
        action=ACTIONS[use.action],
        form=FORMS[use.form],
        now=now,
        activated=activated,
        purpose=use.purpose,
        region=use.region,
        workload=use.workload,
        recipients=frozenset(use.recipients),
        memories=use.units.memories or None,
    )
    found = objections(terms, asked)
    if agreement is not None and agreement.state != agreement_pb2.Agreement.STATE_ACTIVE:
        found.insert(0, Decision(Verdict.DENIED, "state", "the agreement was not active when the file was saved"))
    return found


def _verdict(against: list[Decision]) -> Any:
    from memporium_platform.licence.evaluate import Verdict

    if not against:
        return _VERDICT(answer=_VERDICT.ANSWER_PERMITTED)
    first = against[0]
    answer = _VERDICT.ANSWER_UNKNOWN if first.verdict is Verdict.UNKNOWN else _VERDICT.ANSWER_DENIED
    further = [each.message for each in against[1:]]
    return _VERDICT(answer=answer, term=first.term, message=first.message, further=further)
