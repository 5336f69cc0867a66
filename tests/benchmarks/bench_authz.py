"""Decisions at 100,000 policies: the compiled snapshot beside Casbin's own enforcers, and whether they agree.

`snapshot` is the bare decision, `client` what the kernel calls at each request; times are by `perf_counter_ns` around
each single decision, and `cpu` the same by the thread's own CPU clock (its reading takes 0.4 us), which other work on
the machine does not disturb. `agreement` asks the same random questions of the snapshot and of Casbin's plain
Enforcer, over many small sets of policies with denials, wildcards, circles of roles and names in other organisations.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests")]

import casbin  # noqa: E402
from casbin.rbac.default_role_manager import DomainManager  # noqa: E402

from memporium.governance.v1 import watch_pb2  # noqa: E402
from memporium_platform.authz.casbin_oracle import RowsAdapter, add_functions, plain_enforcer  # noqa: E402
from memporium_platform.authz.client import AuthzClient  # noqa: E402
from memporium_platform.authz.compile import Compiler  # noqa: E402
from memporium_platform.authz.entries import Entry, Grouping, OrgState, PrincipalState, Rule  # noqa: E402
from memporium_platform.authz.roles import entries_of, load_roles, policies_dir  # noqa: E402
from memporium_platform.authz.wire import entry_to_wire  # noqa: E402
from memporium_platform.call import Principal, PrincipalKind  # noqa: E402
from support.random_policies import compare  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ORGS, USERS, ROLES, VAULTS, CUBES = 20, 250, 50, 2000, 50
Question = tuple[str, str, str, str]


def state(policies: int, rng: random.Random) -> dict[str, Entry]:
    """Return a platform with this many policies of organisations beside the shipped roles."""
    entries: dict[str, Entry] = dict(entries_of(load_roles(policies_dir())))
    for number in range(ORGS):
        org = f"org{number}"
        entries[f"org/{org}"] = OrgState(org, active=True)
        for user in range(USERS):
            name = f"orgs/{org}/principals/u{user}"
            entries[f"principal/{name}"] = PrincipalState(name, org, PrincipalKind.USER)
            entries[f"g/{name}"] = Grouping(name, f"roles/r{user % ROLES}", org)
            entries[f"m/{name}"] = Grouping(name, "roles/member", org)
        for role in range(ROLES):
            entries[f"g/{org}/r{role}"] = Grouping(f"roles/r{role}", f"roles/r{role * 7 % ROLES}", org)
        for policy in range(policies // ORGS):
            rule = _rule(f"{org}-{policy}", org, rng)
            entries[f"policy/{rule.id}"] = rule
    return entries


def _rule(rule_id: str, org: str, rng: random.Random) -> Rule:
    vault = rng.randrange(VAULTS)
    pattern = rng.choice(
        (
            f"orgs/{org}/vaults/v{vault}",
            f"orgs/{org}/vaults/v{vault}/*",
            f"orgs/{org}/vaults/v{vault}/cubes/c{rng.randrange(CUBES)}",
            f"orgs/{org}/*/v{vault}/*",
        )
    )
    subject = rng.choice((f"roles/r{rng.randrange(ROLES)}", f"orgs/{org}/principals/u{rng.randrange(USERS)}"))
    action = rng.choice(("vault.cubes.get", "vault.cubes.*", "vault.*", "*.*.get"))
    return Rule(rule_id, subject, org, pattern, action, rng.random() < 0.9)


def question(rng: random.Random) -> Question:
    """Return a random question; one in ten reaches into another organisation."""
    org, other = f"org{rng.randrange(ORGS)}", f"org{rng.randrange(ORGS)}"
    who = f"orgs/{other if rng.random() < 0.1 else org}/principals/u{rng.randrange(USERS)}"
    name = f"orgs/{org}/vaults/v{rng.randrange(VAULTS)}/cubes/c{rng.randrange(CUBES)}"
    return who, org, name, rng.choice(("vault.cubes.get", "vault.cubes.forget", "reader.memories.recall"))


def timed(decide: Callable[[Question], bool], questions: Sequence[Question]) -> tuple[dict[str, Any], list[bool]]:
    """Return the times of single decisions in microseconds, and the answers."""
    answers: list[bool] = []
    times: dict[str, Any] = {"n": len(questions)}
    for prefix, clock in (("", time.perf_counter_ns), ("cpu_", time.thread_time_ns)):
        spent = []
        answers.clear()
        for asked in questions:
            began = clock()
            answers.append(decide(asked))
            spent.append((clock() - began) / 1000)
        spent.sort()
        times[f"{prefix}p50_us"] = round(spent[len(spent) // 2], 2)
        times[f"{prefix}p99_us"] = round(spent[min(len(spent) * 99 // 100, len(spent) - 1)], 2)
        times[f"{prefix}max_us"] = round(spent[-1], 1)
    return times, answers


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


async def _client_of(entries: dict[str, Entry]) -> AuthzClient:
    async def no_stream(_request: object) -> Any:
        await asyncio.Event().wait()
        yield

    client = AuthzClient(watch=no_stream, clock=_Clock(), stale_after_s=1e9)
    rows = [entry_to_wire(key, entry) for key, entry in entries.items()]
    await client.apply(watch_pb2.WatchAuthorizationResponse(reset=True, entries=rows, epoch=1, complete=True))
    return client


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run everything; return the figures."""
    rng = random.Random(arguments.seed)
    entries = state(arguments.policies, rng)
    questions = [question(rng) for _ in range(arguments.decisions)]
    began, began_cpu = time.perf_counter(), time.process_time()
    compiler = Compiler()
    compiler.update(entries.items())
    snapshot = compiler.snapshot(1)
    compile_s, compile_cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    gc.collect()
    ours, answers = timed(lambda asked: snapshot.decide(*asked, {})[0], questions)
    client = asyncio.run(_client_of(entries))
    people = {asked[0]: Principal(asked[0], asked[0].split("/")[1], PrincipalKind.USER) for asked in questions}
    context = {"purpose": "", "region": "", "channel": ""}
    kernel, _ = timed(
        lambda asked: client.decide(people[asked[0]], asked[3], asked[1], asked[2], context).allowed, questions
    )
    began = time.perf_counter()
    compiler.update([("policy/new", _rule("new", "org1", rng))])
    compiler.snapshot(2)
    change_ms = (time.perf_counter() - began) * 1000
    result = {
        "policies": sum(isinstance(entry, Rule) for entry in entries.values()),
        "role_rows": sum(isinstance(entry, Grouping) for entry in entries.values()),
        "compile_s": round(compile_s, 3),
        "compile_cpu_s": round(compile_cpu_s, 3),
        "one_change_ms": round(change_ms, 3),
        "allowed": sum(answers),
        "snapshot": ours,
        "client": kernel,
        "casbin": _casbin(entries, questions, answers, arguments),
    }
    began = time.perf_counter()
    agreement = compare(
        policies_dir() / "model.conf", sets=arguments.triples // 100, questions=100, seed=arguments.seed
    )
    result["agreement"] = {**vars(agreement), "seconds": round(time.perf_counter() - began, 1)}
    return result


def _casbin(
    entries: dict[str, Entry], questions: Sequence[Question], answers: list[bool], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Ask Casbin's enforcers some of the same questions."""
    rules = [entry for entry in entries.values() if isinstance(entry, Rule)]
    groupings = [entry for entry in entries.values() if isinstance(entry, Grouping)]
    model = policies_dir() / "model.conf"
    adapter = RowsAdapter(rules, groupings, [f"org{number}" for number in range(ORGS)])
    # Half of the questions are ones that the snapshot allows: the rare ones, and the dangerous ones.
    chosen = [place for place, allowed in enumerate(answers) if allowed][: arguments.casbin // 2]
    chosen += [place for place, allowed in enumerate(answers) if not allowed][: arguments.casbin - len(chosen)]
    asked = [questions[place] for place in chosen]
    plain = plain_enforcer(model, adapter)
    plain_times, plain_answers = timed(lambda one: bool(plain.enforce(*one, {})), asked)
    fast = casbin.FastEnforcer(str(model), cache_key_order=[1, 2])
    add_functions(fast)
    fast.set_role_manager(DomainManager(adapter.levels))
    fast.set_adapter(adapter)
    fast.load_policy()
    fast_times, fast_answers = timed(lambda one: bool(fast.enforce(*one, {})), asked)
    ours = [answers[place] for place in chosen]
    return {
        "enforcer": {**plain_times, "mismatches": sum(a is not b for a, b in zip(plain_answers, ours, strict=True))},
        "fast_enforcer": {**fast_times, "mismatches": sum(a is not b for a, b in zip(fast_answers, ours, strict=True))},
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=int, default=100_000)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--triples", type=int, default=100_000, help="random questions to compare with Casbin")
    parser.add_argument("--casbin", type=int, default=30, help="decisions of Casbin's enforcers at full size")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="as many policies, but fewer questions, also to Casbin")
    parser.add_argument("--data", type=Path, help="not used: the policies are made here")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.decisions, arguments.triples, arguments.casbin = 20_000, 2_000, 2
    result = {"bench": "authz", "quick": arguments.quick, **measure(arguments)}
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
