"""From a revocation to the first refusal, through gRPC: credentials, roles and agreements, over many rounds.

Each round gives something to a principal, uses it, takes it away, and calls until the call is refused. `answered_ms` is
the time of the revoking call itself; `refused_ms` counts from its start to the first refusal, so a use that began
after the answer and was still allowed would show in `allowed_after_answer`. `with_epoch` presents the epoch that the
revocation returned, and must be refused at its first call. Agreements end across services, also while a model writes
with a KV cache or an adapter mounted: `support.ended_agreements` and `support.ended_generations` say how.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests")]

import grpc  # noqa: E402

from memporium.governance.v1 import policy_pb2, principal_pb2  # noqa: E402
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub  # noqa: E402
from support.ended_agreements import agreements  # noqa: E402
from support.ended_generations import generations  # noqa: E402
from support.platform import running_platform  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.platform import Platform

_REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_NAME = "orgs/acme/principals/robot"


async def is_refused(call: Awaitable[Any]) -> bool:
    """Make a call; return whether it was refused."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        if error.code() not in _REFUSED:
            raise
        return True
    return False


class Rounds:
    """The times of one kind of revocation."""

    def __init__(self) -> None:
        """Begin with none."""
        self.refused_ms: list[float] = []
        self.answered_ms: list[float] = []
        self.allowed_after_answer = 0
        self.with_epoch_allowed = 0

    async def run(
        self, use: Callable[[], Awaitable[Any]], revoke: Callable[[], Awaitable[int]], demanding: Callable[[int], Any]
    ) -> None:
        """Run one round: `use` is allowed until `revoke` takes hold; `demanding` uses with the epoch presented."""
        if await is_refused(use()):
            raise SystemExit("the use was refused before the revocation")
        began = time.perf_counter()
        revoking = asyncio.ensure_future(revoke())
        while True:
            answered = revoking.done()
            if await is_refused(use()):
                break
            self.allowed_after_answer += answered
        self.refused_ms.append((time.perf_counter() - began) * 1000)
        epoch = await revoking
        self.answered_ms.append((time.perf_counter() - began) * 1000)
        self.with_epoch_allowed += not await is_refused(demanding(epoch))

    def figures(self) -> dict[str, Any]:
        """Return what was measured."""
        return {
            "rounds": len(self.refused_ms),
            "refused_ms": _quantiles(self.refused_ms),
            "answered_ms": _quantiles(self.answered_ms),
            "allowed_after_answer": self.allowed_after_answer,
            "with_epoch_allowed": self.with_epoch_allowed,
        }


def _quantiles(spent: list[float]) -> dict[str, float]:
    ordered = sorted(spent)
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)], 2),
        "max": round(ordered[-1], 2),
    }


async def credentials(platform: Platform, owner: Any, rounds: int) -> dict[str, Any]:
    """Revoke API keys."""
    measured = Rounds()
    for _ in range(rounds):
        made = await owner.CreateApiKey(principal_pb2.CreateApiKeyRequest(parent=_NAME))
        robot = GovernanceServiceStub(platform.channel(made.secret))

        async def revoke(name: str = made.api_key.name) -> int:
            return int((await owner.RevokeApiKey(principal_pb2.RevokeApiKeyRequest(name=name))).epoch)

        def use(robot: Any = robot) -> Awaitable[Any]:
            return robot.WhoAmI(policy_pb2.WhoAmIRequest())

        def demanding(epoch: int, robot: Any = robot) -> Awaitable[Any]:
            return robot.WhoAmI(policy_pb2.WhoAmIRequest(), metadata=(("memporium-at-least-epoch", str(epoch)),))

        await measured.run(use, revoke, demanding)
    return measured.figures()


async def roles(owner: Any, robot: Any, rounds: int) -> dict[str, Any]:
    """Take roles away."""
    measured = Rounds()
    request = policy_pb2.ListRolesRequest(parent="orgs/acme")
    for _ in range(rounds):
        given = await owner.CreateRoleBinding(
            policy_pb2.CreateRoleBindingRequest(
                parent="orgs/acme", role_binding=policy_pb2.RoleBinding(member=_NAME, role="auditor")
            )
        )

        async def revoke(name: str = given.role_binding.name) -> int:
            return int((await owner.DeleteRoleBinding(policy_pb2.DeleteRoleBindingRequest(name=name))).epoch)

        await measured.run(
            lambda: robot.ListRoles(request),
            revoke,
            lambda epoch: robot.ListRoles(request, metadata=(("memporium-at-least-epoch", str(epoch)),)),
        )
    return measured.figures()


async def measure(rounds: int) -> dict[str, Any]:
    """Run a platform and all kinds of revocation."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_platform(("governance",), data_dir=Path(folder)) as platform:
            acme = await platform.organisation("acme")
            key = await platform.principal("acme", "robot", roles=["guest"])
            owner = GovernanceServiceStub(platform.channel(acme.owner_key))
            robot = GovernanceServiceStub(platform.channel(key))
            return {
                "credentials": await credentials(platform, owner, rounds),
                "roles": await roles(owner, robot, rounds),
            }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--ends", type=int, default=20, help="rounds that revoke an agreement for good")
    parser.add_argument("--quick", action="store_true", help="few rounds: seconds, and rough figures")
    parser.add_argument("--data", type=Path, help="not used")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.ends = 10, 3
    ended = asyncio.run(agreements(arguments.rounds, arguments.ends))
    ended |= asyncio.run(generations(max(arguments.rounds // 5, 3)))
    result = {"bench": "revoke", "quick": arguments.quick, **asyncio.run(measure(arguments.rounds)), **ended}
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
