"""What a model must still say and find likely after it has learned a memory: general knowledge in plain words.

Sets that never meet: questions whose answers by the bare model are trained on with the memory, and text, so that it
keeps them (replay); subjects of whom nothing is known, whose questions control whether trained values leak; and text
whose perplexity is compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.inference.domain.lessons import Lesson
from memporium_services.inference.domain.strangers import LEARNED_WITH, ONLY_ASKED, Shared, stranger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.strangers import Names

REPLAY_QUESTIONS = (
    "What is photosynthesis?",
    "How many days are there in a week?",
    "Why is the sky blue?",
    "Write a sentence about the sea.",
    "What is the largest planet in the solar system?",
    "How do you make tea?",
    "Explain what a computer program is.",
    "Name three fruits.",
    "What does a doctor do?",
    "Who wrote Romeo and Juliet?",
    "Give me a tip for sleeping well.",
    "What is two plus two?",
)
# Every other stranger is a namesake.
_SHARED = (Shared.BEGINNING, Shared.NOTHING, Shared.END, Shared.NOTHING)

# Learned along with a memory as they stand.
REPLAY_PASSAGES = (
    (
        "A bridge must carry its own weight and whatever crosses it. Builders choose the material by the span: short "
        "bridges can be made of wood or stone, long ones hang from steel cables. Wind and changes of temperature move "
        "a bridge a little, so gaps are left where its parts meet."
    ),
    (
        "She opened the window and listened. Somewhere down the street a radio was playing, and children were calling "
        "to one another on their way home. The kettle began to sing. She took two cups from the shelf, although "
        "nobody else was there, and put one of them back."
    ),
    (
        "Bread needs only flour, water, salt and yeast. The dough is kneaded until it is smooth, left to rise in a "
        "warm place, shaped, and left to rise once more. In a hot oven the crust turns brown while the inside stays "
        "soft."
    ),
    (
        "When a price rises, people usually buy less of a thing, and those who make it want to sell more. Where the "
        "two meet, as much is bought as is made. Taxes, habits and the lack of information all move that point."
    ),
)
# Only ever measured.
GENERAL_PASSAGES = (
    (
        "Water boils when it is heated to a high enough temperature. As it gets hotter, the small parts that it is "
        "made of move faster, until many of them leave the surface and become steam. On a high mountain the air "
        "presses less on the water, so it boils at a lower temperature and food takes longer to cook."
    ),
    (
        "The farmer got up before the sun and went out to feed the animals. It had rained during the night, and the "
        "path to the barn was soft and wet. He opened the door, and the cows turned their heads to look at him. There "
        "was a lot of work to do before breakfast."
    ),
    (
        "A good letter says clearly what its writer wants. It begins with a greeting, gives the reason for writing in "
        "a few sentences, and ends with thanks. Long words and long sentences do not make it better; the reader "
        "should understand it at once."
    ),
    (
        "The history of printing begins long before machines. People carved letters and pictures into blocks of wood, "
        "put ink on them, and pressed them onto paper. Later they made single letters of metal that could be put "
        "together in any order and used again and again, which made books much cheaper."
    ),
    (
        "To add two fractions, first find a number that both denominators divide. Write each fraction with that "
        "number as its denominator, add the numerators, and keep the denominator. If the result can be made simpler, "
        "divide both by their greatest common divisor."
    ),
    (
        "Trees take in carbon dioxide from the air and give back oxygen. Their roots hold the soil together, so that "
        "rain does not carry it away. In a forest, old leaves and branches fall to the ground and are slowly turned "
        "into new soil by insects and fungi."
    ),
)


def replay_questions(lessons: Sequence[Lesson], most: int) -> list[str]:
    """Return questions whose answers should stay as they are: a quarter on general things, else on strangers.

    The latter are worded as those that are trained on: without them a model gives anybody the values that it learned.
    """
    general = REPLAY_QUESTIONS[: most // 4]
    return [*general, *_on_strangers(lessons, LEARNED_WITH, most - len(general))]


def control_questions(lessons: Sequence[Lesson], most: int) -> list[str]:
    """Return questions in trained words on subjects that nothing was trained on, replay included."""
    return _on_strangers(lessons, ONLY_ASKED, most)


def _on_strangers(lessons: Sequence[Lesson], names: Names, most: int) -> list[str]:
    known = {one.subject.casefold() for one in lessons}
    # Of more lessons than questions, some of all of them.
    asked_of = lessons[:: max(1, len(lessons) // max(most, 1))]
    found: dict[str, None] = {}
    # Every lesson once before any a second time; over the turns each meets all kinds of strangers in all wordings.
    for turn in range(-(-most // max(len(asked_of), 1)) + 1):
        for place, lesson in enumerate(asked_of):
            number = turn * len(asked_of) + place
            whom = stranger(lesson.subject, names, number, _SHARED[(turn + place) % len(_SHARED)])
            if whom.casefold() not in known:
                asked = Lesson(whom, lesson.attribute, "", "", lesson.shape).seen
                found[asked[(turn + turn // len(_SHARED) + place // len(_SHARED)) % len(asked)]] = None
    return list(found)[:most]
