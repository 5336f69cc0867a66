from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from memporium.sources import documents, turns


def test_the_python_reference_is_found_inside_cpython():
    found = documents.python_reference()
    assert len(found) > 70
    assert any("with" in document.text for document in found)


def test_a_folder_gives_its_markdown_and_text_recursively(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.md").write_text("# A\n\ntext")
    (tmp_path / "b.txt").write_text("text")
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    (tmp_path / "empty.md").write_text(" \n")
    found = documents.load(tmp_path)
    assert [(one.source, one.media_type) for one in found] == [("b.txt", "text/plain"), ("deep/a.md", "text/markdown")]


def test_json_lines_need_a_text_and_say_which_line_has_none(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "one", "title": "T"}\n\n{"title": "no text"}\n')
    with pytest.raises(ValueError, match=r"d\.jsonl:3"):
        documents.load(path)
    path.write_text('{"text": "one", "title": "T"}\n')
    assert documents.load(path)[0].title == "T"


def test_nothing_to_read_is_said(tmp_path):
    with pytest.raises(ValueError, match="no Markdown"):
        documents.load(tmp_path)


def test_a_long_document_travels_in_pieces_that_join_again():
    text = "x" * 700_000
    messages = list(documents.requests("orgs/a/vaults/v", [documents.Document("s", "t", text)], tags=["k"]))
    assert messages[0].header.parent == "orgs/a/vaults/v"
    pieces = [message.document for message in messages[1:]]
    assert [piece.append for piece in pieces] == [False, True, True]
    assert "".join(piece.text for piece in pieces) == text


def _dialogue(tmp_path):
    path = tmp_path / "talk.json"
    path.write_text(
        json.dumps(
            [
                {
                    "sample_id": "s1",
                    "conversation": {
                        "session_2": [{"dia_id": "D2:1", "speaker": "B", "text": "later"}],
                        "session_2_date_time": "1:56 pm on 8 May, 2023",
                        "session_1": [{"dia_id": "D1:1", "speaker": "A", "text": "hi", "blip_caption": "a cat"}],
                        "session_1_date_time": "9:00 am on 1 May, 2023",
                    },
                }
            ]
        )
    )
    return path


def test_a_dialogue_is_told_from_other_json_and_read_in_order(tmp_path):
    path = _dialogue(tmp_path)
    other = tmp_path / "o.json"
    other.write_text("{}")
    assert turns.is_dialogue(path)
    assert not turns.is_dialogue(other)
    first, second = turns.load(path)
    assert first.session == "s1:session_1"
    assert second.start == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    message = list(turns.requests("orgs/a/vaults/v", first))[1]
    assert (message.turn.id, message.turn.speaker, message.turn.caption) == ("D1:1", "A", "a cat")


def test_a_folder_s_links_are_not_followed(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "own.md").write_text("own")
    (tmp_path / "secret.md").write_text("secret")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "up").symlink_to(tmp_path)
    assert [one.text for one in documents.load(folder)] == ["own"]
