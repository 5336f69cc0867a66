"""Statements about people and projects, for measuring which of them hold: names, attributes, values, questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.chatted_phrasings import CHATTED
from support.fresh_phrasings import FRESH, TOPICS, UNLISTED
from support.fresh_phrasings import QUESTIONS as _FRESH_QUESTIONS
from support.further_phrasings import FURTHER
from support.further_phrasings import QUESTIONS as _FURTHER_QUESTIONS
from support.later_phrasings import LATER
from support.natural_phrasings import NATURAL
from support.natural_phrasings_unlisted import CLUBS, PLOTS
from support.natural_phrasings_unlisted import QUESTIONS as _NATURAL_QUESTIONS
from support.phrasings import HELD, SEEN, Phrasings
from support.unseen_phrasings import COFFEES, UNSEEN
from support.unseen_phrasings import QUESTIONS as _UNSEEN_QUESTIONS

if TYPE_CHECKING:
    from random import Random

__all__ = [
    "CHATTED",
    "CITIES",
    "FIRST_NAMES",
    "FRESH",
    "FURTHER",
    "HELD",
    "HOBBIES",
    "LAST_NAMES",
    "LATER",
    "NATURAL",
    "PERSONAL",
    "PROJECTS",
    "QUESTIONS",
    "SEEN",
    "UNLISTED",
    "UNSEEN",
    "Phrasings",
    "is_listed",
    "value_of",
]

FIRST_NAMES = [
    "Ada",
    "Bela",
    "Carla",
    "Dario",
    "Edda",
    "Farid",
    "Greta",
    "Hanno",
    "Ilse",
    "Jonas",
    "Katja",
    "Lars",
    "Mira",
    "Nils",
    "Olga",
    "Pavel",
    "Quinn",
    "Rosa",
    "Sven",
    "Tilda",
    "Ugo",
    "Vera",
    "Wanda",
    "Xenia",
    "Yara",
    "Zeno",
    "Alma",
    "Boris",
    "Celia",
    "Dmitri",
]
LAST_NAMES = [
    "Abbott",
    "Brandt",
    "Castro",
    "Dahl",
    "Eriksen",
    "Fontana",
    "Grieg",
    "Hoffman",
    "Ivanov",
    "Jansen",
    "Keller",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Olsen",
    "Petrov",
    "Quist",
    "Rossi",
    "Santos",
    "Tanaka",
]
PROJECTS = "Apollo Borealis Cascade Delta Ember Falcon Glacier Horizon Indigo Juniper Kestrel Lagoon Meridian".split()  # noqa: SIM905
CITIES = [
    "Oslo",
    "Bergen",
    "Rome",
    "Lima",
    "Cairo",
    "Quito",
    "New York",
    "Bonn",
    "Lyon",
    "Porto",
    "Graz",
    "Kyoto",
    "Perth",
    "Cork",
    "Turin",
    "Accra",
    "Hanoi",
    "San Diego",
    "Delft",
    "Malaga",
    "Tartu",
    "Riga",
    "Ghent",
    "Leeds",
    "Basel",
    "Split",
    "Bruges",
    "Tampere",
    "Cape Town",
    "Nantes",
]
_COMPANIES = [
    f"{a}{b}"
    for a in ("Glo", "Ini", "Vand", "Hoo", "Umbr", "Cyber", "Star", "Wern")
    for b in ("bex", "tech", "elay", "rum")
]
_JOBS = [
    "nurse",
    "baker",
    "data analyst",
    "software engineer",
    "school teacher",
    "pharmacist",
    "photographer",
    "electrician",
    "interior designer",
    "translator",
    "paramedic",
    "carpenter",
]
_DISHES = [
    "ramen",
    "lasagne",
    "paella",
    "pierogi",
    "falafel",
    "moussaka",
    "bibimbap",
    "ratatouille",
    "goulash",
    "poutine",
    "ceviche",
    "gnocchi",
]
_CARS = ["Toyota", "Volvo", "Skoda", "Fiat", "Renault", "Subaru", "Mazda", "Tesla", "Honda", "Peugeot"]
_MONTHS = ["January", "March", "April", "June", "July", "September", "October", "November"]
HOBBIES = [
    "chess",
    "tennis",
    "the cello",
    "badminton",
    "the piano",
    "table tennis",
    "squash",
    "the guitar",
    "hockey",
    "bridge",
]

QUESTIONS = {
    "home": "Where does {n} live?",
    "employer": "Which company does {n} work for?",
    "job": "What is {n}'s profession?",
    "phone": "What is {n}'s phone number?",
    "email": "What is {n}'s email address?",
    "dish": "What is {n}'s favourite dish?",
    "manager": "Who is {n}'s manager?",
    "car": "Which car does {n} drive?",
    "deadline": "When is the deadline of Project {p}?",
    "budget": "What is the budget of Project {p}?",
}
PERSONAL = tuple(name for name in QUESTIONS if name not in {"deadline", "budget"})
_LISTED = frozenset(QUESTIONS)
QUESTIONS |= _FRESH_QUESTIONS | _UNSEEN_QUESTIONS | _FURTHER_QUESTIONS | _NATURAL_QUESTIONS


def is_listed(attribute: str) -> bool:
    """Say whether some list of the reader names an attribute."""
    return attribute in _LISTED


def value_of(rng: Random, attribute: str, subject: str, other: str = "") -> str:
    """Return a value of an attribute, another one than `other`."""
    while True:
        found = _value(rng, attribute, subject)
        if found != other:
            return found


def _value(rng: Random, attribute: str, subject: str) -> str:
    pools = {"home": CITIES, "employer": _COMPANIES, "job": _JOBS, "dish": _DISHES, "car": _CARS}
    pools |= {"thesis topic": list(TOPICS), "coffee order": list(COFFEES)}
    pools |= {"running club": list(CLUBS), "allotment plot": list(PLOTS)}
    if attribute in pools:
        return rng.choice(pools[attribute])
    made = {
        "phone": lambda: f"555-{rng.randrange(10_000):04}",
        "email": lambda: _email(rng, subject),
        "manager": lambda: f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}",
        "physio": lambda: f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}",
        "landlord": lambda: f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}",
        "piano teacher": lambda: f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}",
        "gate code": lambda: f"{rng.randrange(1000, 10_000)}",
        "godmother": lambda: f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}",
        "parking bay": lambda: f"{rng.choice('ABCD')}{rng.randrange(1, 60)}",
        "bedtime": lambda: f"{rng.randrange(6, 12)}:{rng.randrange(10, 60)} pm",
        "train": lambda: f"{rng.randrange(6, 12)}:{rng.randrange(10, 60)}",
        "wifi password": lambda: f"{rng.choice(_DISHES)}{rng.randrange(10, 99)}",
        "locker": lambda: f"{rng.randrange(10, 400)}",
        "deadline": lambda: f"{rng.randrange(1, 29)} {rng.choice(_MONTHS)} 2027",
        "budget": lambda: f"{rng.randrange(10, 99)},000 euros",
    }
    return made[attribute]()


def _email(rng: Random, subject: str) -> str:
    return f"{subject.split(' ', 1)[0].lower()}{rng.randrange(100)}@{rng.choice(('mail', 'post', 'box'))}.example"
