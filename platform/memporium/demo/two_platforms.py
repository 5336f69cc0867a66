"""The story of two platforms: publish, subscribe, pull, recall, revoke, and the accounts held against each other."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pydoc_data import topics
from typing import TYPE_CHECKING, Any

from memporium.demo.stage import UnexpectedError
from memporium.demo.story import folder_of
from memporium.demo.two_sides import two_sides, wait_for
from memporium.memstore.v1 import agreement_pb2, listing_pb2, offer_pb2, terms_pb2
from memporium.vault.v1 import cubes_pb2, vault_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from memporium.demo.stage import Stage
    from memporium.demo.two_sides import Side

_TOPICS = ("with", "try", "for", "while", "assert", "lambda", "yield", "import", "class", "del", "global", "in")
_LONGEST = 1500
_QUESTION = "What happens to a context manager when the block raises an exception?"
_PRICE_MICROS = 10_000
_READ = ("READ", "RETRIEVE", "INFER_WITH")


@dataclass
class _Trade:
    """What came of the story so far, by the names that the subscriber's platform uses."""

    north: Side
    south: Side
    agreement: str = ""
    pack: str = ""
    started: float = field(default_factory=time.perf_counter)

    @property
    def here(self) -> str:
        """The agreement by the name that the publisher's platform uses."""
        return self.agreement.replace("orgs/press.north/", "orgs/press/")


def run(stage: Stage, *, embedder: str = "", keep: Path | None = None) -> None:
    """Tell the story on two fresh platforms; nothing is left running, nor behind unless it is to be kept.

    Raises:
        UnexpectedError: Something that the story promises did not happen.
        MemporiumError: A call failed that should not have.
    """
    settings = {"MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": embedder} if embedder else {}
    began = time.perf_counter()
    with folder_of(keep) as folder:
        stage.say("Starting two platforms, each with its own data, keys and certificate ...")
        with two_sides(folder, settings) as (north, south):
            for side in (north, south):
                stage.ok(f"[bold]{side.id}[/bold], where {side.org} lives, on {side.running.address}")
            trade = _Trade(north, south)
            for title, scene in _SCENES:
                stage.scene(title)
                scene(trade, stage)
    stage.fact("the whole story", f"{time.perf_counter() - began:.0f} s")
    stage.summary()


def _meet(trade: _Trade, stage: Stage) -> None:
    north, south = trade.north, trade.south
    north.introduce(south)
    south.introduce(north)
    test = wait_for("an answer", lambda: _answered(south))
    stage.ok(f"mutual TLS, certificates and keys pinned: north answers in {test.seconds * 1000:.0f} ms")


def _answered(south: Side) -> Any:
    test = south.operator.memstore.test_peer(name="peers/north")
    return test if test.ok else None


def _publish(trade: _Trade, stage: Stage) -> None:
    owner, org = trade.north.owner, "orgs/press"
    vault = owner.vault.create_vault(parent=org, vault_id="library", vault=vault_pb2.Vault()).vault.name
    with stage.timed(f"{len(_TOPICS)} memories of the Python language reference"):
        for topic in _TOPICS:
            note = {"title": topic, "text": topics.topics[topic][:_LONGEST]}
            owner.vault.create_cube(parent=vault, cube={"payload": {"plaintext": {"document": note}}})
    everybody = listing_pb2.Audience(scope=listing_pb2.Audience.SCOPE_PUBLIC)
    terms = terms_pb2.LicenceTerms(title="Thirty days")
    allowed = terms.permissions.add(
        actions=[f"LICENCE_ACTION_{action}" for action in _READ], forms=["MEMORY_FORM_PLAINTEXT"]
    )
    allowed.constraints.quotas.add(unit="USE_UNIT_CALLS", limit=100, period="QUOTA_PERIOD_AGREEMENT")
    allowed.constraints.window.duration.FromSeconds(30 * 86_400)
    terms.duties.add(kind="DUTY_KIND_ATTRIBUTE", text="from Press")
    listing = owner.memstore.create_listing(
        parent=org,
        listing_id="python",
        listing=listing_pb2.Listing(title="The Python language reference", audience=everybody, terms=terms),
    ).listing.name
    with stage.timed("release 1.0.0 sealed and signed"):
        owner.memstore.create_release(parent=listing, version="1.0.0", vault=vault)
    price = offer_pb2.PricePlan()
    price.per_use.price.CopyFrom(offer_pb2.Price(currency="EUR", micros=_PRICE_MICROS))
    price.per_use.unit = terms_pb2.USE_UNIT_CALLS
    offer = offer_pb2.Offer(title="A cent a call", terms=terms, price=price, audience=everybody)
    owner.memstore.create_offer(parent=listing, offer_id="calls", offer=offer)
    owner.memstore.submit_listing(name=listing)
    owner.memstore.publish_listing(name=listing)
    stage.ok("in north's catalogue: a cent a call, a hundred calls, thirty days, with attribution")


def _subscribe(trade: _Trade, stage: Stage) -> None:
    seller, buyer = trade.north.owner.memstore, trade.south.owner.memstore
    found = buyer.search_listings(query="python", peer="peers/north").listings
    offer = buyer.list_offers(parent=found[0].name).offers[0].name
    stage.ok(f"south finds [bold]{found[0].name}[/bold]")
    talks = buyer.request_negotiation(offer=offer).negotiation
    there = talks.name.replace("orgs/press.north/", "orgs/press/")
    states = ["REQUESTED"]
    for memstore, name, verb, state in (
        (seller, there, "agree", "AGREED"),
        (buyer, talks.name, "verify", "VERIFIED"),
        (seller, there, "finalize", "FINALIZED"),
    ):
        before = wait_for(states[-1], partial(_in_state, memstore, name, states[-1]))
        getattr(memstore, f"{verb}_negotiation")(name=name, sequence=before.sequence)
        states.append(state)
    closed = wait_for("the agreement", lambda: _in_state(buyer, talks.name, "FINALIZED"))
    trade.agreement = closed.agreement
    wait_for("the agreement", lambda: buyer.get_agreement(name=trade.agreement))
    signers = ", ".join(one.organisation for one in closed.document.signatures)
    stage.ok(f"negotiated across: {' → '.join(states)}; signed by {signers}")


def _in_state(memstore: Any, name: str, state: str) -> Any:
    talks = memstore.get_negotiation(name=name).negotiation
    return talks if agreement_pb2.Negotiation.State.Name(talks.state) == f"STATE_{state}" else None


def _pull(trade: _Trade, stage: Stage) -> None:
    owner = trade.south.owner
    desk = owner.vault.create_vault(parent="orgs/globex", vault_id="desk", vault=vault_pb2.Vault()).vault.name
    result, checks, began = None, 0, time.perf_counter()
    for response in owner.transfer.pull_bundle(
        parent="orgs/globex", agreement=trade.agreement, vault_id="python", mount_into=desk
    ):
        kind = response.WhichOneof("event")
        checks += kind == "step"
        result = response.result if kind == "result" else result
    if result is None:
        raise UnexpectedError("the pull ended without a result")
    trade.pack, took_s = result.vault, time.perf_counter() - began
    stage.ok(f"{checks} checks passed with north's pinned keys, {result.cube_count} memories in {trade.pack}", took_s)
    stage.fact("sealed pack pulled across, verified and imported", f"{took_s:.1f} s")


def _recall(trade: _Trade, stage: Stage) -> None:
    owner = trade.south.owner
    stage.say(f"  [italic]{_QUESTION}[/italic]")
    response = wait_for("a lease", lambda: _recalled(owner))
    rows = [(f"{item.score:.2f}", item.attribution, " ".join(item.text.split())) for item in response.items]
    stage.table(("score", "attribution", "recalled from the mounted pack"), rows, numbers=(0,))
    buyer, seller = owner.memstore, trade.north.owner.memstore
    wait_for("the usage", lambda: seller.list_usage(parent=trade.here).total.calls)
    made = buyer.create_statement(parent=trade.agreement).statement
    signed = wait_for("the signature", lambda: _by_north(buyer.get_statement(name=made.name).statement))
    theirs = seller.list_statements(parent=trade.here).statements[0]
    if not signed or theirs.sha256 != made.sha256:
        raise UnexpectedError("the two platforms do not have the same statement")
    owed = f"{made.amount.micros / 1e6:.2f} {made.amount.currency}"
    stage.ok(f"{made.uses} use metered at south, {owed} owed: one statement, signed by globex, south and north")


def _by_north(statement: Any) -> bool:
    return any(one.organisation == "peers/north" for one in statement.document.signatures)


def _recalled(owner: Any) -> Any:
    response = owner.reader.recall(parent="orgs/globex/vaults/desk", query=_QUESTION, limit=3, budget_tokens=1000)
    return response if response.items else None


def _revoke(trade: _Trade, stage: Stage) -> None:
    began = time.perf_counter()
    trade.north.owner.memstore.revoke_agreement(name=trade.here, reason="the story ends")
    get = trade.south.owner.memstore.get_agreement
    revoked = agreement_pb2.Agreement.STATE_REVOKED
    wait_for("the revocation", lambda: get(name=trade.agreement).agreement.state == revoked)
    took_s = time.perf_counter() - began
    stage.ok("revoked at north, known at south", took_s)
    full = cubes_pb2.CUBE_VIEW_FULL
    stage.refused(
        "south reads the pack",
        lambda: trade.south.owner.vault.list_cubes(parent=trade.pack, view=full),
        reasons=("LICENCE_REVOKED",),
    )
    stage.fact("revocation across platforms", f"{took_s * 1000:.0f} ms")


def _compare(trade: _Trade, stage: Stage) -> None:
    for side, name in ((trade.south, trade.agreement), (trade.north, trade.here)):
        found = wait_for("the comparison", partial(_settled, side, name))
        if not found.equal:
            raise UnexpectedError(f"the accounts differ: {found.differences[0]}")
        stage.ok(
            f"{side.id} holds {found.entries} signed entries against the other's, each proved from its audit log: equal"
        )


def _settled(side: Side, name: str) -> Any:
    found = side.owner.memstore.compare_accounts(name=name).comparison
    return found if found.differences or not found.open_entries else None


_SCENES = (
    ("Two platforms learn who the other is", _meet),
    ("north: press publishes", _publish),
    ("south: globex finds it and both sign", _subscribe),
    ("south: the sealed pack is pulled", _pull),
    ("south: recalled, metered, stated", _recall),
    ("north: revoked", _revoke),
    ("Two accounts, one truth", _compare),
)
