"""The roles that the platform ships, read from `policies/roles.yaml`, as rules and inheritance for the snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from memporium_platform.authz.entries import ROLE_PREFIX, SHARED, Entry, Grouping, Rule
from memporium_platform.authz.patterns import EVERYTHING, is_action_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

OWNER = "organisation-owner"
OPERATOR = "platform-operator"
_FIELDS = {"description", "inherits", "actions", "denies", "domain"}


@dataclass(frozen=True, slots=True)
class RoleTemplate:
    """A role: id, what it is for, what it inherits, may and may never do, and the one domain where it holds, or ""."""

    role: str
    description: str
    inherits: tuple[str, ...]
    actions: tuple[str, ...]
    denies: tuple[str, ...]
    domain: str


def policies_dir(configured: Path | None = None) -> Path:
    """Return the folder `policies/`: the configured one, the installed package's copy, or the source tree's.

    Raises:
        FileNotFoundError: None of them holds the model.
    """
    packaged = Path(__file__).resolve().parents[1] / "_policies"
    source = Path(__file__).resolve().parents[3] / "policies"
    for folder in (configured,) if configured else (packaged, source):
        if (folder / "model.conf").is_file():
            return folder
    message = f"no policies in {configured or packaged}"
    raise FileNotFoundError(message)


def load_roles(folder: Path) -> tuple[RoleTemplate, ...]:
    """Return the roles in `roles.yaml`, by id.

    Raises:
        ValueError: A role inherits one that is missing, a pattern is malformed, or a field is not known.
    """
    document: dict[str, Any] = yaml.safe_load((folder / "roles.yaml").read_text(encoding="utf-8"))["roles"]
    roles = []
    for role, fields in sorted(document.items()):
        template = RoleTemplate(
            role=role,
            description=fields["description"],
            inherits=tuple(fields.get("inherits", ())),
            actions=tuple(fields.get("actions", ())),
            denies=tuple(fields.get("denies", ())),
            domain=fields.get("domain", ""),
        )
        unknown = [*(set(fields) - _FIELDS), *(set(template.inherits) - set(document))]
        unknown += [pattern for pattern in (*template.actions, *template.denies) if not is_action_pattern(pattern)]
        if unknown:
            message = f"roles.yaml: {role}: {', '.join(unknown)}"
            raise ValueError(message)
        roles.append(template)
    return tuple(roles)


def entries_of(roles: Iterable[RoleTemplate]) -> dict[str, Entry]:
    """Return the rows that the roles stand for, by key."""
    entries: dict[str, Entry] = {}
    for template in roles:
        subject, domain = ROLE_PREFIX + template.role, template.domain or SHARED
        for effect, patterns in (("allow", template.actions), ("deny", template.denies)):
            for pattern in patterns:
                rule_id = f"{subject}/{effect}/{pattern}"
                entries[f"rule/{rule_id}"] = Rule(rule_id, subject, domain, EVERYTHING, pattern, effect == "allow")
        for inherited in template.inherits:
            key = f"grouping/{subject}/{inherited}"
            entries[key] = Grouping(subject, ROLE_PREFIX + inherited, SHARED)
    return entries
