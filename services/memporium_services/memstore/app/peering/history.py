"""The steps that a provider's platform reports: signed by who made them, in an order that the state machine knows."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from memporium_services.memstore.app.peering.peering import signed_by
from memporium_services.memstore.domain.agreements import AGREEMENT_MACHINE, Agreement
from memporium_services.memstore.domain.consents import CONSENT_MACHINE, Consent
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.negotiations import NEGOTIATION_MACHINE, NegotiationState
from memporium_services.memstore.domain.peering import names, speech
from memporium_services.memstore.domain.peering.speech import SpeechError
from memporium_services.memstore.domain.statement import TRANSITION_TYPE, pre_authentication_encoding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.machine import Machine, Transition
    from memporium_services.memstore.domain.negotiations import Negotiation
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.ports import Transaction

# An actor of a step that a consumer's message asked for: `orgs/{org}/messages/{sha256}`.
MESSAGES = "/messages/"

# How talks begin: a consumer asks, or either side proposes to amend an agreement.
_BEGINNINGS = frozenset(
    {
        ("request", NegotiationState.REQUESTED.value, Side.CONSUMER),
        ("amend", NegotiationState.REQUESTED.value, Side.CONSUMER),
        ("amend", NegotiationState.OFFERED.value, Side.PROVIDER),
    }
)


def check_history(
    tx: Transaction,
    peering: Peering,
    peer: Peer,
    entity: Negotiation | Agreement | Consent,
    steps: Sequence[Transition],
    had: Sequence[Transition],
) -> None:
    """Demand that steps go on from those that are known, each rightly signed, to the state that is claimed.

    Raises:
        SpeechError: They do not.
    """
    if len(steps) < len(had) or any(old.statement != new.statement for old, new in zip(had, steps, strict=False)):
        raise SpeechError("a step that was made before is another one now")
    if [step.sequence for step in steps] != list(range(1, len(steps) + 1)) or not steps:
        raise SpeechError("the steps are not in order")
    if steps[-1].to_state != entity.state.value or steps[-1].sequence != entity.sequence:
        raise SpeechError("the steps do not lead to the state that is claimed")
    there = peering.there(entity.name, peer.id)
    for number, step in enumerate(steps):
        _check_statement(step, there)
        before = steps[number - 1].to_state if number else ""
        side = _side(peering, peer, entity, step)
        _check_move(entity, step, before, side)
        if number >= len(had):
            _check_signature(tx, peer, entity, step, side, there)


def _check_statement(step: Transition, there: str) -> None:
    try:
        fields = json.loads(step.statement)
    except ValueError as error:
        raise SpeechError("a step's statement is malformed") from error
    claimed = {
        "resource": there,
        "sequence": step.sequence,
        "from_state": step.from_state,
        "to_state": step.to_state,
        "trigger": step.trigger,
        "actor": step.actor,
        "organisation": step.organisation,
        "reason_sha256": hashlib.sha256(step.reason.encode()).hexdigest(),
        "time_us": step.time_us,
    }
    if fields != claimed:
        raise SpeechError(f"step {step.sequence} is not what was signed")


def _side(peering: Peering, peer: Peer, entity: Negotiation | Agreement | Consent, step: Transition) -> Side:
    if not step.organisation:
        return Side.PLATFORM
    org = names.org_in(peering.here(step.organisation, peer.id))
    if org == entity.provider:
        return Side.PROVIDER
    if org == entity.consumer:
        return Side.CONSUMER
    raise SpeechError(f"step {step.sequence} is of an organisation that is no party")


def _check_move(entity: Negotiation | Agreement | Consent, step: Transition, before: str, side: Side) -> None:
    if step.from_state != before:
        raise SpeechError(f"step {step.sequence} does not follow the one before it")
    if not before:
        legal = _begins(entity, step, side)
    else:
        moves = {(a.value, t, s): b.value for (a, t, s), b in _machine_of(entity).table.items()}
        legal = moves.get((before, step.trigger, side)) == step.to_state
    if not legal:
        raise SpeechError(f"step {step.sequence} is not possible: {step.trigger} from {before or 'nothing'}")


def _machine_of(entity: Negotiation | Agreement | Consent) -> Machine[Any]:
    if isinstance(entity, Consent):
        return CONSENT_MACHINE
    return AGREEMENT_MACHINE if isinstance(entity, Agreement) else NEGOTIATION_MACHINE


def _begins(entity: Negotiation | Agreement | Consent, step: Transition, side: Side) -> bool:
    """Return whether this can be the first step."""
    if isinstance(entity, Agreement):
        return (step.trigger, step.to_state) == ("finalize", "ACTIVE")
    if isinstance(entity, Consent):
        return (step.trigger, step.to_state, side) == ("request", "REQUESTED", Side.CONSUMER)
    known = (step.trigger, step.to_state, side) in _BEGINNINGS
    return known and bool(entity.renews or step.trigger == "request")


def _check_signature(
    tx: Transaction,
    peer: Peer,
    entity: Negotiation | Agreement | Consent,
    step: Transition,
    side: Side,
    there: str,
) -> None:
    """Demand the right signature: the platform's for its own steps and those that it made on the consumer's word."""
    message = pre_authentication_encoding(TRANSITION_TYPE, step.statement)
    if side is Side.PROVIDER:
        org = entity.provider.partition(".")[0]
        keys = tx.peering.keys(peer.id, org, key_id=step.key_id)
        good = keys is not None and signed_by(keys.signing_key, message, step.signature)
    else:
        good = step.key_id == speech.key_id_of(bytes.fromhex(peer.platform_key))
        good = good and signed_by(peer.platform_key, message, step.signature)
    if not good:
        raise SpeechError(f"step {step.sequence} is not signed by whose it is")
    if side is Side.CONSUMER and not isinstance(entity, Agreement):
        _check_asked(tx, peer, step, there)
    if side is Side.CONSUMER and isinstance(entity, Agreement) and step.trigger == "cancel":
        _check_asked(tx, peer, step, there)


def _check_asked(tx: Transaction, peer: Peer, step: Transition, there: str) -> None:
    """Demand that the consumer here did ask for a step that is said to be its own."""
    said = tx.peering.entry(peer.id, step.actor.rpartition(MESSAGES)[2])
    asked = said is not None and said.sent and said.trigger == step.trigger
    if said is None or not asked or (said.sequence and said.resource != there):
        raise SpeechError(f"step {step.sequence} was never asked for here")
