"""Names across platforms.

`acme` of the peer `north` is `acme.north` here. Everything that is signed uses the names of the provider's platform, so
translation is between those and the names here: an organisation with this platform's suffix is its own, one without
any suffix is the provider's platform's.
"""

from __future__ import annotations

from typing import Any

_PREFIX = "orgs/"


def is_foreign(org: str) -> bool:
    """Return whether an organisation is another platform's; ids that people choose hold no dot."""
    return "." in org


def peer_of(org: str) -> str:
    """Return the peer that an organisation belongs to; "" for one of this platform."""
    return org.partition(".")[2]


def org_in(name: str) -> str:
    """Return the organisation in a name, or "" where there is none."""
    return name.split("/", 2)[1] if name.startswith(_PREFIX) else ""


def names_foreign(name: str) -> bool:
    """Return whether a name is of a resource of another platform's organisation."""
    return is_foreign(org_in(name))


def _swapped(name: str, *, own: str, added: str) -> str:
    """Return a name whose organisation loses the suffix `own`, or gets the suffix `added` where it has none."""
    org = org_in(name)
    if not org:
        return name
    bare, _, suffix = org.partition(".")
    if suffix == own:
        changed = bare
    elif suffix:
        # A third platform's: means nothing here, and stays as it is.
        changed = org
    else:
        changed = f"{org}.{added}"
    return f"{_PREFIX}{changed}{name[len(_PREFIX) + len(org) :]}"


def to_here(name: str, *, platform: str, peer: str) -> str:
    """Return what platform `platform` calls a resource that its peer, the provider's platform, calls `name`."""
    return _swapped(name, own=platform, added=peer)


def to_there(name: str, *, platform: str, peer: str) -> str:
    """Return what the peer, the provider's platform, calls a resource that platform `platform` calls `name`."""
    return _swapped(name, own=peer, added=platform)


def org_here(org: str, *, platform: str, peer: str) -> str:
    """Return what `platform` calls an organisation that the peer calls `org`."""
    return to_here(f"{_PREFIX}{org}", platform=platform, peer=peer).removeprefix(_PREFIX) if org else ""


def org_there(org: str, *, platform: str, peer: str) -> str:
    """Return what the peer calls an organisation that `platform` calls `org`."""
    return to_there(f"{_PREFIX}{org}", platform=platform, peer=peer).removeprefix(_PREFIX) if org else ""


def all_here(value: Any, *, platform: str, peer: str) -> Any:
    """Return JSON with every name in it as this platform writes it."""
    if isinstance(value, str):
        return to_here(value, platform=platform, peer=peer)
    if isinstance(value, list):
        return [all_here(each, platform=platform, peer=peer) for each in value]
    if isinstance(value, dict):
        return {key: all_here(each, platform=platform, peer=peer) for key, each in value.items()}
    return value
