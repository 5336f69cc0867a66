"""Names of persons and things that no memory is about: an adapter is taught, and asked, not to know them.

Near ones share a name with who is known: a small model that learns of one Ada tells the same of each. Those that are
learned with are never those that are asked of, so that what is measured is not learned by heart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Names:
    """Names to make strangers of: given names, family names, names of things, kinds of things."""

    given: tuple[str, ...]
    family: tuple[str, ...]
    things: tuple[str, ...]
    kinds: tuple[str, ...]


# Subjects of these are things; of two words there is no kind to share: "the shop".
_ARTICLES, _NAMED = frozenset({"the", "a", "an", "my", "our"}), 2

_LEARNED = """
Quentin Ilse Bruno Matilda Farid Ottilie Sanjay Beatrix Emeka Valentina Lars Naomi Tomás Helga Kofi Miriam Andrei Clara
Abernathy Brandvold Castro Dubois Eriksen Farrell Gupta Hoffmann Ivanov Jansen Keller Lombardi Moreau Okoye Park
Marlowe Sycamore Redwood Falcon Meridian Harvest Granite Orchid Compass Willow Summit
archive project office bakery society garden theatre
"""
_ASKED = """
Odalys Tobias Wanda Ferdinand Yusuf Ingrid Caspian Lucia Hamish Noriko Dmitri Amara Leopold Petra Rashid Selma Anton
Verhoeven Lindstrom Castellan Mbeki Orlov Fitzroy Nakamura Delacroix Pereira Holm Szabo Whitcombe Rossi Adeyemi Krause
Pemberton Cardinal Saltmarsh Juniper Northgate Halcyon Beacon Thornbury Osprey Quarry Lantern Alder Fern
mill library festival committee museum
"""


def _names(lines: str) -> Names:
    return Names(*(tuple(line.split()) for line in lines.strip().splitlines()))


LEARNED_WITH, ONLY_ASKED = _names(_LEARNED), _names(_ASKED)


class Shared(Enum):
    """What of a name a stranger has."""

    NOTHING = 0
    BEGINNING = 1
    END = 2


def stranger(subject: str, names: Names, number: int, shared: Shared) -> str:
    """Return a subject of the same kind as another, the same for the same number."""
    words = subject.split()
    given, family = names.given[number % len(names.given)], names.family[number % len(names.family)]
    if len(words) > 1 and words[0].lower() in _ARTICLES:
        thing, kind = names.things[number % len(names.things)], names.kinds[number % len(names.kinds)]
        return f"{words[0]} {thing} {kind if shared is Shared.NOTHING or len(words) == _NAMED else words[-1]}"
    if shared is Shared.NOTHING:
        return f"{given} {family}"
    if len(words) == 1:
        # Another's name of one word: of one Ada more is known than that she is no Ada Holm.
        return given
    return f"{words[0]} {family}" if shared is Shared.BEGINNING else f"{given} {words[-1]}"
