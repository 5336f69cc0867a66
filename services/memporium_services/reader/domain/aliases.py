"""Tells which names of subjects mean the same one: `ana` and `ana ruiz`, `apollo` and `project apollo`.

Rules:
    1. A first name means the one longer name that begins with it. Where several do, it means none of them.
    2. A name means the project of that name, where there is one and no person of that name.
    3. What belongs to somebody ("ana's sister") is somebody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PROJECT = "project "
_MOST_WORDS = 4


def aliases(names: Iterable[str]) -> dict[str, str]:
    """Return the longer name of each short one among names in lower case."""
    known = {name for name in names if "'" not in name and len(name.split()) <= _MOST_WORDS}
    longer: dict[str, set[str]] = {}
    for name in known:
        if name.startswith(_PROJECT):
            longer.setdefault(name.removeprefix(_PROJECT), set()).add(name)
        elif " " in name:
            longer.setdefault(name.split(" ", 1)[0], set()).add(name)
    return {short: some.pop() for short, some in longer.items() if len(some) == 1}


def other_keys(key: str, longer: Mapping[str, str]) -> list[str]:
    """Return the keys (`ana/home`) under which claims on the same subject and attribute stand."""
    subject, _, attribute = key.partition("/")
    names = [longer[subject]] if subject in longer else []
    names += [short for short, name in longer.items() if name == subject]
    return [f"{name}/{attribute}" for name in names]
