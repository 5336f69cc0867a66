"""What a model must still say and find likely after it has learned a memory: general knowledge in plain words.

Sets that never meet: questions whose answers by the bare model are trained on with the memory, and text, so that it
keeps them (replay); subjects of whom nothing is known, whose questions control whether trained values leak; and text
whose perplexity is compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.inference.domain.lessons import Lesson

if TYPE_CHECKING:
    from collections.abc import Sequence

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
# Of a question that is trained on.
_WORDINGS = 4
_REPLAY_SUBJECTS = ("Quentin Abernathy", "the Marlowe archive", "Ilse Brandvold", "the harbour office")
_CONTROL_SUBJECTS = ("Odalys Verhoeven", "the Pemberton mill", "Tobias Lindqvist", "the northern library")

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
    """Return questions whose answers should stay as they are: a quarter on general things, else on unknown subjects.

    The latter are worded as those that are trained on: without them a model gives anybody the values that it learned.
    """
    general = REPLAY_QUESTIONS[: most // 4]
    return [*general, *_on_unknown(lessons, _REPLAY_SUBJECTS, most - len(general))]


def control_questions(lessons: Sequence[Lesson], most: int) -> list[str]:
    """Return questions in trained words on subjects that nothing was trained on, replay included."""
    return _on_unknown(lessons, _CONTROL_SUBJECTS, most)


def _on_unknown(lessons: Sequence[Lesson], subjects: Sequence[str], most: int) -> list[str]:
    kinds = list(dict.fromkeys((one.attribute, one.shape) for one in lessons))
    found: list[str] = []
    # Every attribute once before any a second time.
    for turn in range(len(subjects) * _WORDINGS):
        for place, (attribute, shape) in enumerate(kinds):
            # Over all turns each subject meets each wording.
            whom = subjects[(turn + place) % len(subjects)]
            asked = Lesson(whom, attribute, "", "", shape).seen
            found.append(asked[(turn + turn // len(subjects) + place) % len(asked)])
    return list(dict.fromkeys(found))[:most]
