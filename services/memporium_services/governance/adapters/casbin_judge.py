"""Asks Casbin's own enforcer, for an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.authz.casbin_oracle import CasbinOracle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from memporium_platform.authz.entries import Grouping, Rule


def casbin_judge(
    model: Path,
) -> Callable[[Sequence[Rule], Sequence[Grouping], str, str, str, str, Mapping[str, str]], bool]:
    """Return what answers by Casbin with this model; to be called on the event loop's thread alone."""

    def judge(
        rules: Sequence[Rule],
        groupings: Sequence[Grouping],
        org: str,
        principal: str,
        name: str,
        action: str,
        context: Mapping[str, str],
    ) -> bool:
        oracle = CasbinOracle(model, rules, groupings, domains=(org,))
        return oracle.decide(principal, org, name, action, context)

    return judge
