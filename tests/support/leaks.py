"""What leakers do to marked copies."""

import random
import re
import unicodedata

from memporium_platform.tracing.carriers import carriers
from memporium_platform.tracing.slots import marked, slots_of

# A synonym table of an attacker's own: words that stand around the carriers, few of them carriers themselves.
OTHER_WORDS = {
    "good": "nice", "nice": "good", "great": "superb", "love": "adore", "like": "enjoy", "enjoy": "like",
    "work": "job", "job": "work", "friend": "mate", "friends": "mates", "support": "backing", "family": "relatives",
    "feel": "sense", "make": "create", "made": "created", "see": "notice", "look": "glance", "time": "moment",
    "new": "fresh", "important": "key", "life": "existence", "hear": "learn", "art": "artwork", "group": "team",
    "place": "spot", "world": "globe", "share": "tell", "keep": "hold", "found": "discovered", "find": "discover",
    "get": "obtain", "got": "obtained", "best": "finest", "hope": "trust", "much": "plenty", "proud": "pleased",
    "class": "type", "object": "entity", "value": "content", "function": "routine", "returns": "yields",
    "return": "yield", "method": "procedure", "module": "unit", "statement": "instruction", "defined": "declared",
    "executed": "run", "raised": "thrown", "follows": "comes after", "must": "has to", "can": "may", "may": "might",
}  # fmt: skip
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def rewritten(text, share, rng):
    """Return a text with a share of its sentences rewritten: every carrier at random, other words by another table."""
    return " ".join(_rewrite(part, rng) if rng.random() < share else part for part in _SENTENCE.split(text))


def _rewrite(sentence, rng):
    _items, slots = slots_of(sentence)
    drawn = {slot.context: rng.randrange(2) for slot in slots}
    changed = marked(sentence, slots, drawn.__getitem__)
    words = re.split(r"(\W+)", changed)
    return "".join(OTHER_WORDS.get(word, word) if rng.random() < 0.7 else word for word in words)


def without_case_and_punctuation(text):
    """Return lower-case words alone."""
    return re.sub(r"\s+", " ", re.sub(r"[^\w\s']", " ", text.lower()))


def with_invisible(text, rng):
    """Return a text with characters in it that nobody sees, and some in another form."""
    wide = {char: chr(ord(char) + 0xFEE0) for char in "abcdefghijklmnopqrstuvwxyz"}
    return "".join(
        (wide.get(char, char) if rng.random() < 0.05 else char) + ("\u200b" if rng.random() < 0.05 else "")
        for char in text
    )


def rechunked(texts, words, rng):
    """Return all texts one after another, cut into pieces of so many words, in another order."""
    flow = " ".join(texts).split()
    pieces = [" ".join(flow[at : at + words]) for at in range(0, len(flow), words)]
    rng.shuffle(pieces)
    return pieces


def hard(copy, rng, *, keep=0.5, share=0.3):
    """Delete half, rewrite 30 % of the sentences, fold by NFKC, drop case and punctuation, cut anew."""
    left = rng.sample(copy, max(1, round(len(copy) * keep)))
    changed = [rewritten(text, share, rng) for text in left]
    plain = [without_case_and_punctuation(unicodedata.normalize("NFKC", text)) for text in changed]
    return rechunked(plain, 41, rng)


def mixed(choices, how, rng):
    """Return what a coalition writes in one slot, given its members' variants: semantics leave only these two."""
    if len(set(choices)) == 1:
        return choices[0]
    ones = sum(choices)
    if how in {"ones", "zeros"}:
        return int(how == "ones")
    if how == "majority" and 2 * ones != len(choices):
        return int(2 * ones > len(choices))
    if how == "minority" and 2 * ones != len(choices):
        return int(2 * ones < len(choices))
    return rng.choice(choices) if how != "coin" else rng.randrange(2)


def colluded(slotted, codes, how, rng):
    """Return the texts that a coalition makes of its copies.

    Args:
        slotted: Each original text with its slots.
        codes: For each member the variant of a context.
        how: `mixed` takes one member's word at random in each slot, `majority` and `minority` count, `coin` draws where
            they differ, `ones` and `zeros` take always the same variant there, `splice` takes each text whole from one
            member. For two members the first four are the same.
    """
    found = []
    for text, slots in slotted:
        if how == "splice":
            found.append(marked(text, slots, rng.choice(codes).__getitem__))
        else:
            choice = {slot.context: mixed([code[slot.context] for code in codes], how, rng) for slot in slots}
            found.append(marked(text, slots, choice.__getitem__))
    return found


def words_of(texts):
    """Return how many words texts have."""
    return sum(len(carriers(text)[0]) for text in texts)


def generator(seed):
    """Return a source of what leakers draw."""
    return random.Random(seed)
