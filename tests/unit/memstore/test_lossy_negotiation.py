"""Two parties over a channel that loses, doubles and reorders: both end in the same state, or in TERMINATED."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from memporium_platform.errors import PlatformError
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.negotiations import ENDED, Negotiation, NegotiationState, step
from memporium_services.memstore.domain.prices import PricePlan

BEGIN = Negotiation("orgs/p/negotiations/n", "p", "c", "orgs/p/listings/l", "o", "t", PricePlan())
# What each side says next, from the state that it has seen; a choice of None keeps silent.
REPLIES = {
    (Side.PROVIDER, NegotiationState.REQUESTED): ("counter", "agree", "terminate", None),
    (Side.PROVIDER, NegotiationState.ACCEPTED): ("agree", "terminate", None),
    (Side.PROVIDER, NegotiationState.VERIFIED): ("finalize", "terminate", None),
    (Side.CONSUMER, NegotiationState.OFFERED): ("counter", "accept", "terminate", None),
    (Side.CONSUMER, NegotiationState.AGREED): ("verify", "terminate", None),
}


class _Server:
    """What the store does: compare-and-set on the sequence, messages known by their ids."""

    def __init__(self):
        self.state, self.answers, self.steps = BEGIN, {}, [BEGIN.state]

    def take(self, message):
        message_id, side, trigger, sequence = message
        if message_id not in self.answers:
            try:
                self.state = step(self.state, trigger, side=side, sequence=sequence, now_us=1)
            except PlatformError as error:
                assert error.reason in {"CONFLICT", "ILLEGAL_TRANSITION"}
                return
            self.answers[message_id] = self.state
            self.steps.append(self.state.state)


@settings(deadline=None)
@given(st.data())
def test_loss_duplication_and_reordering_end_equal_or_terminated(data):
    server = _Server()
    seen = {Side.PROVIDER: BEGIN, Side.CONSUMER: BEGIN}
    channel: list[tuple[int, Side, str, int]] = []
    for number in range(data.draw(st.integers(0, 25))):
        side = data.draw(st.sampled_from([Side.PROVIDER, Side.CONSUMER]))
        trigger = data.draw(st.sampled_from(REPLIES.get((side, seen[side].state), (None,))))
        if trigger is not None:
            message = (number, side, trigger, seen[side].sequence)
            channel += [message] * data.draw(st.integers(0, 3))
        if channel and data.draw(st.booleans()):
            server.take(channel.pop(data.draw(st.integers(0, len(channel) - 1))))
        if data.draw(st.booleans()):
            seen[side] = server.state
    for message in data.draw(st.permutations(channel)):
        server.take(message)
    # Each side reads again, as it does after a time without news; who finds it open gives up.
    for side in (Side.PROVIDER, Side.CONSUMER):
        if server.state.state not in ENDED:
            server.take((f"end-{side}", side, "terminate", server.state.sequence))
        seen[side] = server.state
    assert seen[Side.PROVIDER] == seen[Side.CONSUMER]
    assert server.state.state in ENDED
    assert server.state.sequence == len(server.steps)
    # An agreement exists only where both have signed: AGREED by one, VERIFIED by the other.
    if server.state.state is NegotiationState.FINALIZED:
        assert server.steps[-3:] == [
            NegotiationState.AGREED,
            NegotiationState.VERIFIED,
            NegotiationState.FINALIZED,
        ]


def test_a_thousand_negotiations_over_a_bad_channel_end_equal():
    """Each message is lost, doubled or late at random; a side that sees no news asks again, and gives up in the end."""
    chance, ends = Random(20260101), Counter()
    for _ in range(1000):
        server, number = _Server(), 0
        seen = {Side.PROVIDER: BEGIN, Side.CONSUMER: BEGIN}
        channel: list[tuple[int, Side, str, int]] = []
        for _ in range(chance.randint(0, 60)):
            side = chance.choice([Side.PROVIDER, Side.CONSUMER])
            replies = [one for one in REPLIES.get((side, seen[side].state), ()) if one not in {None, "terminate"}]
            if replies and chance.random() < 0.9:
                number += 1
                message = (number, side, chance.choice(replies), seen[side].sequence)
                channel += [message] * chance.choice([0, 1, 1, 2, 3])
            if channel and chance.random() < 0.8:
                server.take(channel.pop(chance.randrange(len(channel))))
            if chance.random() < 0.7:
                seen[side] = server.state
        for side in chance.sample(list(seen), 2):
            number += 1
            server.take((number, side, "terminate", server.state.sequence))
            chance.shuffle(channel)
            while channel:
                server.take(channel.pop())
        seen = dict.fromkeys(seen, server.state)
        assert seen[Side.PROVIDER].state == seen[Side.CONSUMER].state
        assert server.state.state in ENDED
        assert server.steps.count(NegotiationState.FINALIZED) <= 1
        ends[server.state.state] += 1
    # Both ends are reached often, so that the claim is about both.
    assert min(ends[NegotiationState.FINALIZED], ends[NegotiationState.TERMINATED]) > 100
