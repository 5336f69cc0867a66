"""1. Three organisations, each with an owner, an agent and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.demo.world import Party
from memporium.governance.v1 import principal_pb2

if TYPE_CHECKING:
    from memporium.client import Client
    from memporium.demo.stage import Stage
    from memporium.demo.world import World

TITLE = "Three organisations"
_CAST = (
    ("publisher", "pylore", "Pylore Press", ("publisher", "curator")),
    ("subscriber", "brightdesk", "Brightdesk", ("subscriber", "curator")),
    ("outsider", "nosey", "Nosey Parkers", ("subscriber", "curator")),
)


def play(world: World, stage: Stage) -> None:
    """Create the organisations, their agents and keys."""
    operator = world.client(world.running.operator_key)
    rows = []
    for part, org_id, title, roles in _CAST:
        with stage.timed(f"[bold]{title}[/bold] with an owner and an agent"):
            party = _create(world, operator, org_id, title=title, roles=roles)
        setattr(world, part, party)
        rows.append((part, party.name, "owner, agent", ", ".join(roles)))
    stage.table(("part", "organisation", "principals", "roles of the agent"), rows)


def _create(world: World, operator: Client, org_id: str, *, title: str, roles: tuple[str, ...]) -> Party:
    made = operator.governance.create_organisation(organisation_id=org_id, display_name=title)
    owner = world.client(made.owner_secret)
    agent = owner.governance.create_principal(
        parent=made.organisation.name,
        principal_id="agent",
        principal=principal_pb2.Principal(kind=principal_pb2.PRINCIPAL_KIND_WORKLOAD),
        roles=["agent", *roles],
    ).principal
    secret = owner.governance.create_api_key(parent=agent.name).secret
    return Party(name=made.organisation.name, owner=owner, agent=world.client(secret, purpose="assistant"))
