"""Consents, and terms explained or written in other ways."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

from memporium.memstore.v1 import consent_pb2, licence_calls_pb2, terms_pb2
from memporium_platform.errors import invalid
from memporium_platform.licence.check import check_terms
from memporium_platform.licence.codec import ACTIONS, FORMS, digest_of
from memporium_platform.licence.odrl import odrl_of
from memporium_platform.licence.odrl_read import terms_from_odrl
from memporium_platform.licence.templates import terms_from
from memporium_platform.licence.terms import Action, Form
from memporium_services.memstore.app.explaining import Imagined
from memporium_services.memstore.convert.agreements import balance_out
from memporium_services.memstore.convert.values import steps_out, time_in, time_out, units_in
from memporium_services.memstore.domain.entitlements import Units

if TYPE_CHECKING:
    from memporium_services.memstore.app.explaining import Explained, Objection
    from memporium_services.memstore.app.market import Shown
    from memporium_services.memstore.domain.consents import Consent

_MAX_TEMPLATE = 64 << 10


def action_in(value: terms_pb2.LicenceAction.ValueType) -> Action:
    """Return the action.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if value not in ACTIONS:
        raise invalid("action", "has a value that this platform does not know")
    return ACTIONS[value]


def consent_out(shown: Shown[Consent]) -> consent_pb2.Consent:
    """Return the message."""
    consent = shown.entity
    return consent_pb2.Consent(
        name=consent.name,
        action=terms_pb2.LicenceAction.Value(f"LICENCE_ACTION_{consent.action}"),
        purpose=consent.purpose,
        state=consent_pb2.Consent.State.Value(f"STATE_{consent.state.value}"),
        reason=consent.reason,
        requester=consent.requester,
        expire_time=time_out(consent.expire_us),
        create_time=time_out(consent.create_us),
        update_time=time_out(consent.update_us),
        history=steps_out(shown.steps),
    )


def use_in(message: licence_calls_pb2.ExplainTermsRequest) -> Imagined | None:
    """Return the use to think of; None: none was given."""
    if not message.HasField("use"):
        return None
    use = message.use
    form = FORMS.get(use.form) if use.form else Form.PLAINTEXT
    if form is None:
        raise invalid("use.form", "has a value that this platform does not know")
    return Imagined(
        action=action_in(use.action),
        form=form,
        purpose=use.purpose,
        region=use.region,
        workload=use.workload,
        recipients=frozenset(use.recipients),
        units=units_in(use.units) if use.HasField("units") else Units(calls=1, memories=1),
        time_us=time_in(use, "time"),
        onward_terms=use.onward_terms_sha256,
    )


def explained_out(explained: Explained) -> licence_calls_pb2.ExplainTermsResponse:
    """Return the message."""
    told = explained.explanation
    message = licence_calls_pb2.ExplainTermsResponse(
        title=terms_pb2.LicenceTerms.FromString(explained.terms).title,
        terms_sha256=explained.terms_sha256,
        standing=explained.standing,
        allowed=told.allowed,
        forbidden=told.forbidden,
        duties=told.duties,
        left=explained.left,
        balances=[balance_out(each) for each in explained.balances],
    )
    if explained.against is not None:
        message.verdict.CopyFrom(_verdict(explained.against))
    return message


def _verdict(against: tuple[Objection, ...]) -> licence_calls_pb2.Verdict:
    if not against:
        return licence_calls_pb2.Verdict(answer=licence_calls_pb2.Verdict.ANSWER_PERMITTED)
    first = against[0]
    answer = licence_calls_pb2.Verdict.ANSWER_UNKNOWN if first.unknown else licence_calls_pb2.Verdict.ANSWER_DENIED
    further = [each.message for each in against[1:]]
    return licence_calls_pb2.Verdict(answer=answer, term=first.term, message=first.message, further=further)


def terms_of_source(message: licence_calls_pb2.ConvertTermsRequest) -> bytes:
    """Return the bytes of the terms in any of the ways that they can be given.

    Raises:
        PlatformError: INVALID_FIELD, naming what is not known.
    """
    source = message.WhichOneof("source")
    if source == "terms":
        return check_terms(message.terms, "terms")
    if source == "odrl":
        return check_terms(terms_from_odrl(message.odrl), "odrl")
    if source != "template":
        raise invalid("source", "must be given")
    if len(message.template) > _MAX_TEMPLATE:
        raise invalid("template", f"must have at most {_MAX_TEMPLATE} characters")
    try:
        return check_terms(terms_from(yaml.safe_load(message.template)), "template")
    except (yaml.YAMLError, RecursionError) as error:
        raise invalid("template", "is not YAML") from error


def converted_out(content: bytes) -> licence_calls_pb2.ConvertTermsResponse:
    """Return terms in all ways."""
    terms = terms_pb2.LicenceTerms.FromString(content)
    odrl = json.dumps(odrl_of(terms), indent=2, ensure_ascii=False)
    return licence_calls_pb2.ConvertTermsResponse(terms=terms, terms_sha256=digest_of(content), odrl=odrl)
