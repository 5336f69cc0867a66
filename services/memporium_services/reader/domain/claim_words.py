"""Words that claims are read by: nouns for what somebody has one of, their other names, and when values are equal."""

from __future__ import annotations

import re

# ruff: noqa: SIM905 - lists of words
# Persons and things of somebody that statements are about: "my sister lives in Oslo".
RELATIVES = (
    "best friend|friend|sister|brother|mother|mum|mom|father|dad|wife|husband|spouse|partner|girlfriend|boyfriend|"
    "fianc[e\u00e9]e?|son|daughter|child|cousin|uncle|aunt|niece|nephew|grandmother|grandma|grandfather|grandpa|"
    "grandson|granddaughter|boss|manager|colleague|coworker|assistant|roommate|flatmate|housemate|neighbour|landlord|"
    "doctor|dentist|teacher|tutor|team|company|office|dog|cat|pet|car|bike|house|flat|apartment|project|client|laptop"
)
# Nouns of which somebody or something has one at a time.
HEADS = (
    "telephone number|phone number|mobile number|phone|telephone|mobile|email address|email|mail address|"
    "postal address|address|"
    "birthday|birth date|date of birth|deadline|due date|budget|manager|supervisor|boss|mentor|doctor|dentist|"
    "therapist|landlord|username|user name|nickname|name|age|height|weight|salary|rent|shoe size|size|blood type|"
    "wife|husband|spouse|girlfriend|boyfriend|partner|fianc[e\u00e9]e?|capital|owner|leader|lead|head|president|"
    "ceo|CEO|cto|CTO|cfo|CFO|"
    "captain|maintainer|author|status|version|price|cost|fee|location|venue|time zone|timezone|start date|end date|"
    "launch date|release date|delivery date|start time|end time|date|colour|job title|job|occupation|profession|"
    "position|title|diet|gym|bank|employer|nationality|religion|native language|mother tongue|major|school|"
    "university|college|flight|room number|room|seat|door code|code|pin|host|port|database|domain|website|url|"
    "hometown|home town|home address|licence plate|number plate|appointment|contact person|contact|sponsor|supplier|"
    "provider|destination|theme|motto|mascot|speed limit|limit|capacity|temperature|quota|target|goal"
)
COUNTED = (
    "children|kids|sons|daughters|siblings|brothers|sisters|cats|dogs|pets|grandchildren|employees|members|bedrooms|"
    "cars|bikes|seats|floors|rooms"
)
PROFESSIONS = (
    "accountant|actor|actress|analyst|architect|artist|baker|barista|biologist|bookkeeper|builder|butcher|carpenter|"
    "chef|chemist|clerk|coach|consultant|cook|dancer|dentist|designer|developer|director|doctor|driver|economist|"
    "editor|electrician|engineer|farmer|firefighter|florist|gardener|geologist|hairdresser|instructor|janitor|"
    "journalist|judge|lawyer|lecturer|librarian|manager|mechanic|musician|nurse|optician|painter|paramedic|"
    "pharmacist|photographer|physicist|pilot|plumber|policeman|policewoman|postman|professor|programmer|"
    "psychologist|receptionist|researcher|sailor|salesman|scientist|secretary|singer|soldier|surgeon|surveyor|"
    "tailor|teacher|technician|therapist|translator|vet|veterinarian|waiter|waitress|welder|writer"
)
_OTHER_NAMES = {
    "phone number": "phone", "mobile number": "phone", "telephone": "phone", "telephone number": "phone",
    "mobile": "phone", "email address": "email", "mail address": "email", "postal address": "address",
    "home address": "address", "due date": "deadline", "boss": "manager", "supervisor": "manager",
    "line manager": "manager", "wife": "spouse", "husband": "spouse", "girlfriend": "partner", "boyfriend": "partner",
    "fianc\u00e9": "partner", "fianc\u00e9e": "partner", "fiance": "partner", "fiancee": "partner",
    "job title": "job", "occupation": "job", "profession": "job", "position": "job", "birth date": "birthday",
    "date of birth": "birthday", "home town": "hometown", "time zone": "timezone", "user name": "username",
    "mother tongue": "native language", "cost": "price", "number plate": "licence plate", "lead": "leader",
    "college": "school", "university": "school",
    "cell": "phone", "cell phone": "phone", "mobile phone": "phone", "contact number": "phone",
    "cell number": "phone", "cell phone number": "phone", "mobile phone number": "phone",
    "company": "employer", "firm": "employer", "workplace": "employer", "vehicle": "car", "household": "home",
    "team leader": "manager", "team lead": "manager", "superior": "manager", "direct manager": "manager",
    "address for email": "email", "address for mail": "email", "number for calls": "phone", "job now": "job",
    "favourite food": "favourite dish", "favourite meal": "favourite dish", "favourite thing to eat": "favourite dish",
    "day job": "job", "trade": "job", "line of work": "job", "calling": "job", "career": "job",
    "contact email": "email", "best email": "email", "best number": "phone", "final date": "deadline",
    "e-mail": "email", "e-mail address": "email", "inbox": "email", "mailbox": "email",
    "time of bed go": "bedtime", "time of go sleep": "bedtime",
}  # fmt: skip
_NEW = re.compile(
    r"^(?:(?:the|got|an?|his|her|their|new|current|latest|updated|present|actual|all-time|absolute|personal|own|usual|normal|"
    r"regular|total|overall|standard|typical) )+|"
    r" (?:these days|nowadays|now|currently|lately|of all)$"
)
_INNER_NEW = re.compile(r"(?<!about )\b(?:new|current|latest) (?!york|zealand|delhi|orleans|jersey|year)(?=[a-z]+$)")
# What somebody likes best, however it is called: "her number one dish", "his preferred drink".
_LIKED = re.compile(r"^(?:most )?(?:preferred|go-to|number one|top|best-loved|best-liked|most loved) (?=[a-z])")
# "Locker number" is "locker"; but the number of a house is no house.
_NUMBERED = re.compile(r"^(?!(?:house|account|lucky)\b)([a-z]+(?: [a-z]+)?) (?:number|no\.?)$")
NUMBERS = {
    word: str(number) for number, word in enumerate("no one two three four five six seven eight nine ten".split())
}
_MONTHS = {
    name[:3]: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}  # fmt: skip
_MONTH = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH}|{_MONTH.replace('month', 'month2')} (?:the )?"
    r"(?P<day2>\d{1,2})(?:st|nd|rd|th)?)(?:,? (?P<year>\d{4}))?\b"
)
_ARTICLE = re.compile(r"^(?:the|an?) ")


def attribute_of(words: str) -> str:
    """Return the one name of an attribute: lower case, without `new` and the like."""
    plain = _INNER_NEW.sub("", _NEW.sub("", " ".join(words.casefold().split())))
    if plain in _OTHER_NAMES:
        return _OTHER_NAMES[plain]
    return _NUMBERED.sub(r"\1", _LIKED.sub("favourite ", plain))


def subject_of(words: str) -> str:
    """Return the one name of a subject: lower case, without an article."""
    return _ARTICLE.sub("", " ".join(words.casefold().replace("\u2019", "'").split()))


def normal(value: str) -> str:
    """Return a value as it is compared: lower case, without articles and punctuation, numbers and dates in figures."""
    plain = _ARTICLE.sub("", " ".join(value.casefold().replace("\u2019", "'").split()))
    plain = _DATE.sub(_iso, re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)).rstrip(" .,;:!?")
    if any(mark.isdigit() for mark in plain) and not any(mark.isalpha() for mark in plain):
        # A number or a code: blanks and marks inside are writing.
        return re.sub(r"[\s()]|(?<=\d)[-/](?=\d{2,})", "", plain)
    words = re.findall(r"[\w@$\u20ac\u00a3%+#]+(?:[.,:'/-][\w@]+)*", plain)
    return " ".join(NUMBERS.get(word, word) for word in words)


def same(one: str, other: str) -> bool:
    """Say whether two values agree: they are equal, or one only says more behind (`Acme` and `Acme Corp`)."""
    a, b = normal(one), normal(other)
    if a == b:
        return True
    short, long = sorted((a, b), key=len)
    rest = long[len(short) :]
    return bool(short) and long.startswith(f"{short} ") and not any(mark.isdigit() for mark in rest)


def _iso(found: re.Match[str]) -> str:
    month = _MONTHS[(found["month"] or found["month2"])[:3]]
    day = int(found["day"] or found["day2"])
    year = f"{found['year']}-" if found["year"] else ""
    return f"{year}{month:02}-{day:02}"
