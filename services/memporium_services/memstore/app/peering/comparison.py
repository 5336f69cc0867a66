"""Whether two accounts are the same, and what proves that they are not. No I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium.verify.commitment import leaf_of
from memporium.verify.merkle import ProofError, verify_consistency, verify_inclusion
from memporium.verify.note import NoteError, SignedTree, VerifierKey, verify_note
from memporium_services.memstore.app.peering.inbox import answer_in
from memporium_services.memstore.app.peering.peering import verify
from memporium_services.memstore.app.peering.records import ADAPTERS, said_of
from memporium_services.memstore.domain.peering.peers import Entry, EntryState
from memporium_services.memstore.domain.peering.speech import Said, SpeechError, key_id_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.ports.peering import LedgerThere, Proof, Proofs

NOTE_TYPE = "text/vnd.c2sp.tlog-checkpoint"
_RECORDS = frozenset(ADAPTERS)


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found.

    Attributes:
        entries: Entries held against each other.
        open_entries: Entries on their way, or not yet in a log.
        differences: What differs, the first first.
        evidence: What proves the first difference.
        peer_checkpoint: The peer's checkpoint.
        own_checkpoint: This platform's.
        peer_size: Size of the peer's log by its checkpoint; 0 where that is not good.
        log_differs: The peer's log is not the one that was seen before.
    """

    entries: int = 0
    open_entries: int = 0
    differences: tuple[str, ...] = ()
    evidence: tuple[Said, ...] = ()
    peer_checkpoint: str = ""
    own_checkpoint: str = ""
    peer_size: int = 0
    log_differs: bool = False

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


@dataclass(slots=True)
class _Found:
    differences: list[str] = field(default_factory=list)
    evidence: tuple[Said, ...] = ()
    open_entries: int = 0

    def add(self, text: str, *evidence: Said) -> None:
        if not self.differences:
            self.evidence = evidence
        self.differences.append(text)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Holds this platform's account against a peer's.

    Attributes:
        peer: The peer.
        their_org: The peer's organisation, as the peer calls it.
        their_keys: Signing keys of it that are known here, hexadecimal.
        own_key: Signing key of the organisation here.
        own_platform_key: Key of this platform.
    """

    peer: Peer
    their_org: str
    their_keys: tuple[str, ...]
    own_key: str
    own_platform_key: str

    def run(self, ours: Sequence[Entry], proofs: Proofs, theirs: LedgerThere, *, seen: tuple[int, str]) -> Compared:
        """Return what was found; `seen` is the peer's last checkpoint, size and note."""
        found = _Found()
        tree, log_differs = self._log(theirs, seen, found)
        self._two_versions(ours, found)
        by_digest = {entry.sha256: entry for entry in ours}
        for entry, proof in theirs.entries:
            self._theirs(entry, by_digest.get(entry.sha256), found)
            self._proved(entry, proof, tree, found)
        shown = {entry.sha256 for entry, _ in theirs.entries}
        for entry in ours:
            if entry.sha256 not in shown:
                self._missing(entry, found)
            if entry.decision_id not in proofs.records:
                found.open_entries += 1
        return Compared(
            entries=len(shown | set(by_digest)),
            open_entries=found.open_entries,
            differences=tuple(found.differences),
            evidence=found.evidence,
            peer_checkpoint=theirs.note,
            own_checkpoint=proofs.note,
            peer_size=tree.size if tree is not None else 0,
            log_differs=log_differs,
        )

    def _log(self, theirs: LedgerThere, seen: tuple[int, str], found: _Found) -> tuple[SignedTree | None, bool]:
        """Demand the peer's signed checkpoint, and that its log goes on from the one that was seen."""
        origin = theirs.note.partition("\n")[0]
        note = Said(NOTE_TYPE, theirs.note.encode(), "", b"")
        before = Said(NOTE_TYPE, seen[1].encode(), "", b"")
        try:
            tree = verify_note(theirs.note, VerifierKey(origin, bytes.fromhex(self.peer.platform_key)))
        except NoteError as error:
            found.add(f"{self.peer.name}'s checkpoint: {error}", note)
            return None, True
        if tree.origin.rpartition("/")[2] != self.their_org:
            found.add(f"{self.peer.name}'s checkpoint is of {tree.origin}, not of {self.their_org}'s log", note)
            return None, True
        if not seen[0]:
            return tree, False
        old = verify_note(seen[1], VerifierKey(seen[1].partition("\n")[0], bytes.fromhex(self.peer.platform_key)))
        if tree.size < old.size:
            found.add(
                f"{self.peer.name}'s log was rolled back: it had {old.size} records and now has {tree.size}",
                before,
                note,
            )
            return tree, True
        try:
            verify_consistency(old.size, tree.size, old.root, tree.root, theirs.consistency)
        except ProofError:
            text = f"{self.peer.name}'s log of {tree.size} records does not extend the one of {old.size} that was seen"
            found.add(text, before, note)
            return tree, True
        return tree, False

    def _two_versions(self, ours: Sequence[Entry], found: _Found) -> None:
        """Name what the peer said twice in different words."""
        kept: dict[tuple[str, int], Entry] = {}
        for entry in ours:
            if entry.sent or entry.kind not in _RECORDS:
                continue
            place = (entry.resource, entry.sequence)
            first = kept.setdefault(place, entry)
            if first is not entry:
                text = f"{self.peer.name} has said two different things about step {entry.sequence} of {entry.resource}"
                found.add(text, said_of(first), said_of(entry))

    def _theirs(self, theirs: Entry, ours: Entry | None, found: _Found) -> None:
        """Hold one entry of theirs against ours."""
        what = f"{theirs.kind} {theirs.sequence} of {theirs.resource}"
        try:
            verify(said_of(theirs), self._key(theirs, mine=not theirs.sent))
        except SpeechError:
            found.add(f"{self.peer.name}'s account has a {what} that is not signed by whose it is", said_of(theirs))
            return
        if ours is None:
            self._unknown(theirs, what, found)
            return
        if (ours.kind, ours.resource, ours.sequence, ours.sent) != (
            theirs.kind,
            theirs.resource,
            theirs.sequence,
            not theirs.sent,
        ):
            found.add(f"{self.peer.name}'s account has the {what} as something else than here", said_of(theirs))
        elif EntryState.WAITING in {ours.state, theirs.state}:
            found.open_entries += 1
        elif ours.state is not EntryState.REJECTED and ours.state is not theirs.state:
            text = f"{what} is {ours.state.value} here and {theirs.state.value} with {self.peer.name}"
            found.add(text, *(answer_in(each.answer) for each in (ours, theirs) if each.answer))

    def _unknown(self, theirs: Entry, what: str, found: _Found) -> None:
        if not theirs.sent:
            found.add(f"{self.peer.name} shows a {what}, signed here, that this account does not have", said_of(theirs))
        elif theirs.state is EntryState.WAITING or theirs.kind in _RECORDS:
            # On its way: a record is applied when it comes, a message when it is delivered.
            found.open_entries += 1
        else:
            found.add(f"{self.peer.name} claims to have been answered a {what} that never came", said_of(theirs))

    def _missing(self, ours: Entry, found: _Found) -> None:
        """Say what it means that an entry here is not in their account."""
        what = f"{ours.kind} {ours.sequence} of {ours.resource}"
        if not ours.sent and ours.state is not EntryState.REJECTED:
            found.add(f"{self.peer.name} has said the {what} and does not have it in its account", said_of(ours))
        elif ours.sent and ours.state in {EntryState.ACCEPTED, EntryState.REFUSED} and ours.answer:
            text = f"{self.peer.name} has answered the {what} and does not have it in its account"
            found.add(text, said_of(ours), answer_in(ours.answer))
        else:
            found.open_entries += 1

    def _proved(self, entry: Entry, proof: Proof | None, tree: SignedTree | None, found: _Found) -> None:
        """Demand that an entry of theirs stands in their log."""
        if proof is None:
            # Sequenced within a moment; an entry that never comes stays open in every comparison.
            found.open_entries += 1
            return
        if tree is None:
            return
        what = f"{entry.kind} {entry.sequence} of {entry.resource}"
        try:
            record = json.loads(proof.record)
            stands = record["decision_id"] == entry.decision_id and record["details"]["sha256"] == entry.sha256
            leaf = leaf_of(proof.record, proof.salt)
            verify_inclusion(leaf, proof.index, tree.size, proof.hashes, tree.root)
        except (ProofError, ValueError, KeyError, TypeError):
            stands = False
        if not stands:
            found.add(f"{self.peer.name}'s log does not have the {what} that its account shows", said_of(entry))

    def _key(self, entry: Entry, *, mine: bool) -> str:
        """Return the key that must have signed an entry: records are the platforms', messages the organisations'."""
        if entry.kind in _RECORDS:
            return self.own_platform_key if mine else self.peer.platform_key
        if mine:
            return self.own_key
        known = {key_id_of(bytes.fromhex(key)): key for key in self.their_keys}
        return known.get(entry.key_id, self.peer.platform_key)
