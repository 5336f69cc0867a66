"""Random policies and questions, for comparing the snapshot with Casbin's own enforcer.

Small alphabets on purpose: rules meet, roles run in circles, names reach into other organisations.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.authz.casbin_oracle import CasbinOracle
from memporium_platform.authz.compile import Compiler
from memporium_platform.authz.entries import Condition, Grouping, Rule

if TYPE_CHECKING:
    from pathlib import Path

ORGS = ("a", "b", "ab")
ROLES = tuple(f"roles/r{number}" for number in range(8))
SEGMENTS = ("vaults", "cubes", "x", "y", "z")
ACTIONS = (("vault", "memstore"), ("cubes", "vaults"), ("get", "create"))
VALUES = ("", "s", "t")


@dataclass
class Comparison:
    """How many questions were asked, allowed, and answered differently."""

    asked: int = 0
    allowed: int = 0
    denied_by_rule: int = 0
    mismatches: int = 0


def compare(model: Path, *, sets: int, questions: int, seed: int) -> Comparison:
    """Ask the same questions of the snapshot, changed step by step, and of Casbin."""
    rng = random.Random(seed)
    result = Comparison()
    for _ in range(sets):
        rules = [_rule(rng, number) for number in range(25)]
        groupings = [_grouping(rng) for _ in range(20)]
        compiler = Compiler()
        compiler.update((f"r{number}", rule) for number, rule in enumerate(rules))
        compiler.update((f"g{number}", grouping) for number, grouping in enumerate(groupings))
        snapshot = compiler.snapshot(1)
        for epoch in range(2, 8):
            number, other = rng.randrange(len(rules)), rng.randrange(len(groupings))
            compiler.update([(f"r{number}", None)])
            compiler.snapshot(epoch)
            rules[number], groupings[other] = _rule(rng, number), _grouping(rng)
            compiler.update([(f"r{number}", rules[number]), (f"g{other}", groupings[other])])
            snapshot = compiler.snapshot(epoch)
        oracle = CasbinOracle(model, rules, groupings, domains=ORGS)
        for _ in range(questions):
            question = _question(rng)
            allowed, rule = snapshot.decide(*question)
            result.asked += 1
            result.allowed += allowed
            result.denied_by_rule += not allowed and rule != "default-deny"
            result.mismatches += allowed is not oracle.decide(*question)
    return result


def _user(rng: random.Random) -> str:
    return f"orgs/{rng.choice(ORGS)}/principals/{rng.choice('pqr')}"


def _rule(rng: random.Random, number: int) -> Rule:
    domain = rng.choice((*ORGS, "*"))
    tests = tuple(
        Condition(
            rng.choice(("purpose", "region", "not-known")),
            rng.random() < 0.5,
            frozenset(rng.sample(VALUES, rng.randrange(1, 3))),
        )
        for _ in range(rng.choice((0, 0, 0, 1, 2)))
    )
    subject = rng.choice((rng.choice(ROLES), rng.choice(ROLES), _user(rng), "*"))
    pattern = "*" if domain == "*" or rng.random() < 0.2 else _object(rng, domain, (*SEGMENTS, "*"), 0.1)
    action = ".".join(rng.choice((*parts, "*")) for parts in ACTIONS[: rng.randrange(1, 4)])
    return Rule(str(number), subject, domain, pattern, action, rng.random() < 0.75, tests)


def _grouping(rng: random.Random) -> Grouping:
    member = rng.choice((_user(rng), _user(rng), rng.choice(ROLES)))
    return Grouping(member, rng.choice(ROLES), rng.choice((*ORGS, "*")))


def _object(rng: random.Random, domain: str, segments: tuple[str, ...], elsewhere: float) -> str:
    org = rng.choice(ORGS) if rng.random() < elsewhere else domain
    return "/".join(("orgs", org, *(rng.choice(segments) for _ in range(rng.randrange(4)))))


def _question(rng: random.Random) -> tuple[str, str, str, str, dict[str, str]]:
    domain = rng.choice(ORGS)
    context = {name: rng.choice(VALUES) for name in ("purpose", "region") if rng.random() < 0.7}
    action = ".".join(rng.choice(parts) for parts in ACTIONS)
    return _user(rng), domain, _object(rng, domain, SEGMENTS, 0.2), action, context
