"""Small made-up files in the formats of public benchmarks."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def locomo(folder: Path, *, samples: int = 2) -> Path:
    """Two people, two sessions, a question of each category."""
    path = folder / "locomo.json"
    path.write_text(json.dumps([_locomo_sample(f"conv-{number}") for number in range(samples)]))
    return path


def _locomo_sample(name: str) -> dict:
    def turn(turn_id, speaker, text, **more):
        return {"dia_id": turn_id, "speaker": speaker, "text": text, **more}

    return {
        "sample_id": name,
        "conversation": {
            "speaker_a": "Ada",
            "speaker_b": "Ben",
            "session_2_date_time": "1:14 pm on 25 May, 2023",
            "session_2": [
                turn("D2:1", "Ada", "I fired the blue bowl in the kiln yesterday.", blip_caption="a blue bowl"),
                turn("D2:2", "Ben", "My sister Clara adopted a greyhound called Biscuit."),
            ],
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [
                turn("D1:1", "Ada", "Yesterday I signed up for a pottery workshop in Leith."),
                turn("D1:2", "Ben", "I have been offered a job at the harbour museum."),
            ],
            "session_3_date_time": "9:00 am on 26 May, 2023",
            "session_3": [],
        },
        "qa": [
            {"question": "When did Ada sign up for pottery?", "answer": "7 May 2023", "evidence": ["D1:1"], "category": 2},
            {"question": "What is Clara's dog called?", "answer": "Biscuit", "evidence": ["D2:2"], "category": 4},
            {"question": "What has Ada done for pottery?", "answer": "signed up for a workshop, fired a bowl", "evidence": ["D1:1; D2:01", "D9:9", "D"], "category": 1},
            {"question": "Would Ben like ships?", "answer": 1, "evidence": [], "category": 3},
            {"question": "What is Ada's cat called?", "evidence": ["D2:2"], "category": 5, "adversarial_answer": "Biscuit"},
        ],
    }  # fmt: skip


def longmemeval(folder: Path, *, questions: int = 1) -> Path:
    """A history of chats, an answer in one turn; and a question in vain."""
    path = folder / "longmemeval.json"
    path.write_text(json.dumps([one for number in range(questions) for one in _longmemeval(number)]))
    return path


def _longmemeval(number: int) -> list[dict]:
    def chat(*said):
        return [dict(zip(("role", "content", "has_answer"), one, strict=False)) for one in said]

    history = {
        "haystack_session_ids": ["s-late", "s-early", "s-early"],
        "haystack_dates": ["2023/05/25 (Thu) 10:00", "2023/05/20 (Sat) 02:21", "2023/05/20 (Sat) 02:21"],
        "haystack_sessions": [
            chat(("user", "Any tips for grooming?"), ("assistant", "Brush the coat daily.")),
            chat(("user", "My greyhound is called Biscuit.", True), ("assistant", " "), ("assistant", "Lovely name!")),
            chat(("user", "My greyhound is called Biscuit.", True)),
        ],
        "question_date": "2023/05/30 (Tue) 23:40",
        "answer_session_ids": ["s-early"],
    }
    first = {"question_id": f"q{number}", "question_type": "single-session-user", "question": "What is my dog called?"}
    vain = {
        "question_id": f"q{number}_abs",
        "question_type": "single-session-user",
        "question": "What is my cat called?",
    }
    return [{**first, "answer": "Biscuit", **history}, {**vain, "answer": "You did not mention a cat.", **history}]


def personamem(folder: Path) -> tuple[Path, Path]:
    """One chat of two sessions, asked in the middle and at the end."""
    contexts = folder / "contexts.jsonl"
    messages = [
        {"role": "system", "content": "Current user persona: a potter."},
        {"role": "user", "content": "User: I love pottery."},
        {"role": "assistant", "content": "Assistant: Lovely."},
        {"role": "system", "content": "Current user persona: a potter."},
        {"role": "user", "content": "User: I gave pottery up and took to sailing."},
        {"role": "assistant", "content": "Assistant: Fair winds."},
    ]
    contexts.write_text(json.dumps({"unused": messages[:1]}) + "\n\n" + json.dumps({"ctx": messages}) + "\n")
    questions = folder / "questions.csv"
    fields = [
        "persona_id", "question_id", "question_type", "topic", "user_question_or_message", "correct_answer", "all_options",
        "shared_context_id", "end_index_in_shared_context",
    ]  # fmt: skip
    options = str(["(a) Go to a pottery class.", "(b) Hire a boat, it's sailing weather.", "(c) Knit.", "(d) Read."])
    rows = [
        ["0", "p2", "suggest", "hobby", "What shall I do on Sunday?", "(b)", options, "ctx", "6"],
        ["0", "p1", "recall", "hobby", "What shall I do on Sunday?", "(a)", options, "ctx", "3"],
    ]
    with questions.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(fields)
        writer.writerows(rows)
    return questions, contexts
