"""Two accounts held against each other: what is equal, and what proves that it is not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memporium.verify.commitment import canonical, leaf_of
from memporium.verify.merkle import consistency_proof, inclusion_proof, root_of
from memporium.verify.note import SignedTree, sign_note
from memporium_services.memstore.adapters.signers import KeySigner
from memporium_services.memstore.app.peering.comparison import Comparison
from memporium_services.memstore.app.peering.inbox import answer_out
from memporium_services.memstore.app.peering.peering import say
from memporium_services.memstore.app.peering.records import said_of
from memporium_services.memstore.domain.peering import speech
from memporium_services.memstore.domain.peering.peers import Entry, EntryState, Peer
from memporium_services.memstore.ports.peering import LedgerThere, Proof, Proofs

NORTH, SOUTH, PRESS, GLOBEX = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 5))
TALKS = "orgs/press/negotiations/t"


def public(key):
    return key.public_key().public_bytes_raw().hex()


class Log:
    """An audit log of a platform."""

    def __init__(self, key, org):
        self.key, self.org, self.rows = key, org, []

    def add(self, entry):
        record = canonical({"decision_id": entry.decision_id, "details": {"sha256": entry.sha256}})
        self.rows.append((entry.decision_id, record))

    @property
    def leaves(self):
        return [leaf_of(record, b"s" * 32) for _, record in self.rows]

    def note(self):
        leaves = self.leaves
        tree = SignedTree(f"memporium/{self.org}", len(leaves), root_of(leaves))
        return sign_note(tree, name=tree.origin, key=self.key)

    def proof(self, entry):
        leaves = self.leaves

        def read(level, index):
            return root_of(leaves[index << level : (index + 1) << level])

        for place, (decision, record) in enumerate(self.rows):
            if decision == entry.decision_id:
                return Proof(record, b"s" * 32, place, tuple(inclusion_proof(read, place, len(leaves))))
        return None

    def since(self, size):
        leaves = self.leaves
        if not size or size > len(leaves):
            return ()
        return tuple(
            consistency_proof(
                lambda level, index: root_of(leaves[index << level : (index + 1) << level]), size, len(leaves)
            )
        )


class Account:
    """What one platform keeps."""

    def __init__(self, log):
        self.log, self.entries = log, []

    def keep(self, entry):
        self.entries.append(entry)
        self.log.add(entry)

    def shown(self, seen=0):
        entries = tuple((entry, self.log.proof(entry)) for entry in self.entries)
        return LedgerThere(entries, self.log.note(), self.log.since(seen))

    def proofs(self):
        return Proofs({entry.decision_id: self.log.proof(entry) for entry in self.entries}, self.log.note(), 0, ())


def entry(said, *, sent, kind, sequence, state=EntryState.SAID, answer=b""):
    return Entry(
        peer="north" if sent else "south",
        sha256=said.sha256,
        sent=sent,
        kind=kind,
        account=TALKS,
        resource=TALKS,
        sequence=sequence,
        trigger="",
        state=state,
        time_us=1,
        payload_type=said.payload_type,
        payload=said.payload,
        key_id=said.key_id,
        signature=said.signature,
        decision_id=f"{said.sha256[:8]}-{sent}",
        org="",
        answer=answer,
    )


def record(sequence, text=""):
    return say(KeySigner(NORTH), speech.RECORD_TYPE, speech.written("record", sequence=sequence, text=text))


def message(sequence, key=GLOBEX):
    return say(KeySigner(key), speech.MESSAGE_TYPE, speech.written("message", sequence=sequence))


@pytest.fixture
def accounts():
    """South's and north's account of a negotiation: two records and a message."""
    south, north = Account(Log(SOUTH, "globex")), Account(Log(NORTH, "press"))
    answer = answer_out(say(KeySigner(NORTH), speech.ANSWER_TYPE, speech.written("answer")))
    for said, kind, sequence, by_south in (
        (message(1), "step", 1, True),
        (record(1), "negotiation", 1, False),
        (record(2), "negotiation", 2, False),
    ):
        state = EntryState.ACCEPTED if by_south else EntryState.SAID
        kept = answer if by_south else b""
        south.keep(entry(said, sent=by_south, kind=kind, sequence=sequence, state=state, answer=kept))
        north.keep(entry(said, sent=not by_south, kind=kind, sequence=sequence, state=state, answer=kept))
    return south, north


def compare(south, north, *, seen=(0, "")):
    peer = Peer("north", "", "", "", public(NORTH))
    comparison = Comparison(
        peer=peer,
        their_org="press",
        their_keys=(public(PRESS),),
        own_key=public(GLOBEX),
        own_platform_key=public(SOUTH),
    )
    return comparison.run(south.entries, south.proofs(), north.shown(seen[0]), seen=seen)


def test_equal_accounts_are_equal(accounts):
    found = compare(*accounts)
    assert found.equal
    assert (found.entries, found.open_entries) == (3, 0)


def test_the_provider_hides_a_record_that_it_has_said(accounts):
    south, north = accounts
    del north.entries[2]
    found = compare(south, north)
    assert "does not have it in its account" in found.differences[0]
    assert found.evidence == (said_of(south.entries[2]),)


def test_the_provider_hides_a_message_that_it_has_answered(accounts):
    south, north = accounts
    del north.entries[0]
    found = compare(south, north)
    assert "has answered" in found.differences[0]
    assert len(found.evidence) == 2


def test_the_provider_claims_a_message_that_was_never_signed_here(accounts):
    south, north = accounts
    north.keep(entry(message(9, key=PRESS), sent=False, kind="step", sequence=9, state=EntryState.ACCEPTED))
    assert "not signed by whose it is" in compare(south, north).differences[0]


def test_the_provider_shows_a_message_that_was_signed_here_and_is_not_in_this_account(accounts):
    south, north = accounts
    north.keep(entry(message(9), sent=False, kind="step", sequence=9, state=EntryState.ACCEPTED))
    assert "does not have" in compare(south, north).differences[0]


def test_two_versions_of_a_record_are_both_shown(accounts):
    south, north = accounts
    lie = record(2, "something else")
    south.keep(entry(lie, sent=False, kind="negotiation", sequence=2, state=EntryState.REJECTED))
    found = compare(south, north)
    assert "two different things about step 2" in found.differences[0]
    assert found.evidence == (said_of(south.entries[2]), lie)


def test_an_entry_that_is_not_in_the_log_is_named(accounts):
    south, north = accounts
    shown = north.shown()
    rows = list(shown.entries)
    rows[1] = (rows[1][0], replace(rows[1][1], index=2))
    lied = replace(shown, entries=tuple(rows))
    north.shown = lambda *_: lied
    assert "log does not have the negotiation 1" in compare(south, north).differences[0]


def test_a_record_of_the_log_that_is_about_something_else_proves_nothing(accounts):
    south, north = accounts
    decision, written = north.log.rows[1]
    north.log.rows[1] = (decision, canonical({**json.loads(written), "details": {"sha256": "0" * 64}}))
    assert "log does not have the negotiation 1" in compare(south, north).differences[0]


def test_what_is_on_its_way_is_no_difference(accounts):
    south, north = accounts
    late, unsent = record(3), message(2)
    north.keep(entry(late, sent=True, kind="negotiation", sequence=3))
    south.keep(entry(unsent, sent=True, kind="step", sequence=2, state=EntryState.WAITING))
    found = compare(south, north)
    assert found.equal
    assert found.open_entries == 2


def test_a_log_that_was_rolled_back_is_told_from_one_that_goes_on(accounts):
    south, north = accounts
    seen = (3, north.log.note())
    north.keep(entry(record(3), sent=True, kind="negotiation", sequence=3))
    assert compare(south, north, seen=seen).equal
    del north.log.rows[1:]
    found = compare(south, north, seen=seen)
    assert found.log_differs
    assert "rolled back: it had 3 records and now has 1" in found.differences[0]
    assert [each.payload.decode() for each in found.evidence] == [seen[1], found.peer_checkpoint]


def test_a_log_that_was_written_anew_does_not_extend_the_one_that_was_seen(accounts):
    south, north = accounts
    seen = (3, north.log.note())
    north.keep(entry(record(3), sent=True, kind="negotiation", sequence=3))
    north.log.rows[0], north.log.rows[1] = north.log.rows[1], north.log.rows[0]
    found = compare(south, north, seen=seen)
    assert "does not extend" in found.differences[0]


@pytest.mark.parametrize("key", [SOUTH, PRESS])
def test_a_checkpoint_that_another_key_signed_counts_for_nothing(accounts, key):
    south, north = accounts
    north.log.key = key
    assert "checkpoint" in compare(south, north).differences[0]


def test_the_checkpoint_of_another_organisation_counts_for_nothing(accounts):
    south, north = accounts
    north.log.org = "other"
    assert "not of press's log" in compare(south, north).differences[0]
