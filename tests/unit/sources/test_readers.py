import json
import os
from datetime import UTC, datetime

import pytest

from memporium.sources import formats, json_lines
from memporium.sources.items import Chat, Memory, Page, Problem
from memporium.sources.json_stream import JsonError


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def problems(items):
    return [(one.place, one.why) for one in items if isinstance(one, Problem)]


MEMOS = [
    {
        "id": "7f6c",
        "memory": "Ada loves pottery.",
        "metadata": {
            "user_id": "u1", "status": "activated", "type": "fact", "key": "Hobby", "tags": ["Hobby", " "],
            "created_at": "2024-05-06T07:08:09", "embedding": [0.1] * 8, "memory_type": "LongTermMemory",
        },
    },
    {"id": "8a", "memory": "old", "metadata": {"status": "deleted"}},
    {"id": "9b", "memory": "", "metadata": {}},
    {"memory": "no id"},
    "not an object",
]  # fmt: skip
CONFIG = {"user_id": "u1", "cube_id": "c1", "text_mem": {"backend": "general_text", "config": {}}}


def memos_cube(folder, memories, config=CONFIG):
    folder.mkdir(exist_ok=True)
    write(folder / "textual_memory.json", memories)
    write(folder / "config.json", config)
    return folder


@pytest.mark.parametrize("tree", [False, True])
def test_a_memos_cube_is_read_flat_or_as_a_tree(tmp_path, tree):
    memories = {"edges": [{"source": "7f6c", "target": "8a"}], "nodes": MEMOS, "total": 3} if tree else MEMOS
    folder = memos_cube(tmp_path / "cube", memories)
    (folder / "activation_memory.pickle").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    assert formats.told(folder) == "memos"
    items = list(formats.read(folder))
    (memory,) = [one for one in items if isinstance(one, Memory)]
    assert (memory.id, memory.text, memory.title, memory.tags) == (
        "7f6c",
        "Ada loves pottery.",
        "Hobby",
        ("Hobby", " "),
    )
    assert memory.time == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert memory.metadata == {"user_id": "u1", "status": "activated", "type": "fact", "memory_type": "LongTermMemory"}
    whys = [why for _place, why in problems(items)]
    assert whys == ["is bound to the model that made it, and left alone", "is deleted there", "has no text under `memory`",
                    "has no id", "has no text under `memory`"]  # fmt: skip
    assert problems(items)[2][0] == "textual_memory.json: memory 3"


def test_a_memos_cube_may_name_its_file_but_not_another_folder_s(tmp_path):
    outside = write(tmp_path / "secret.json", [{"id": "1", "memory": "secret"}])
    folder = memos_cube(tmp_path / "cube", [{"id": "1", "memory": "own"}])
    for name in ("../secret.json", str(outside), "..", "", 7):
        write(folder / "config.json", {"text_mem": {"config": {"memory_filename": name}}})
        assert [one.text for one in formats.read(folder)] == ["own"]
    write(folder / "other.json", [{"id": "1", "memory": "named"}])
    write(folder / "config.json", {"text_mem": {"config": {"memory_filename": "other.json"}}})
    assert [one.text for one in formats.read(folder)] == ["named"]
    (folder / "other.json").unlink()
    (folder / "other.json").symlink_to(outside)
    with pytest.raises(JsonError, match=r"holds no other\.json"):
        list(formats.read(folder))
    write(folder / "config.json", '{"text_mem": ' + "[" * 90_000)
    assert [one.text for one in formats.read(folder)] == ["own"]


@pytest.mark.parametrize(
    "wrap", [lambda rows: rows, lambda rows: {"results": rows, "relations": []}, lambda rows: {"memories": rows}]
)
def test_mem0_s_exports_are_read_in_each_of_their_shapes(tmp_path, wrap):
    rows = [
        {"id": "m1", "memory": "Loves tea", "user_id": "ada", "metadata": {"k": 1}, "categories": ["food"],
         "created_at": "2024-05-06T07:08:09.123-07:00"},
        {"memory": "No id"},
        {"id": "m3"},
        None,
    ]  # fmt: skip
    path = write(tmp_path / "export.json", wrap(rows))
    assert formats.told(path) == "mem0"
    first, second, *rest = list(formats.read(path))
    assert (first.id, first.tags, first.metadata) == ("m1", ("food",), {"k": 1, "user_id": "ada"})
    assert first.time.astimezone(UTC) == datetime(2024, 5, 6, 14, 8, 9, 123_000, tzinfo=UTC)
    assert len(second.id) == 32
    assert len(problems(rest)) == 2


def node(name, parent, children, role="", text="", **more):
    message = {"id": name, "author": {"role": role}, "content": {"content_type": "text", "parts": [text]}, **more}
    return {"id": name, "parent": parent, "children": children, "message": message if role else None}


TREE = {
    "root": node("root", None, ["s"]),
    "s": node("s", "root", ["u1"], "system", "Be kind."),
    "u1": node("u1", "s", ["a1", "a2"], "user", "What is clay?", create_time=1_700_000_000.5),
    "a1": node("a1", "u1", [], "assistant", "Mud.", create_time=1_700_000_001),
    "a2": node("a2", "u1", ["t"], "assistant", "A kind of earth.", create_time=1_700_000_009),
    "t": node("t", "a2", ["u2"], "tool", "{}"),
    "u2": node("u2", "t", [], "user", "Thanks", create_time=1_600_000_000),
}


def test_the_branch_of_a_chat_that_was_seen_last_is_read(tmp_path):
    seen = {
        "title": "Clay",
        "conversation_id": "c1",
        "create_time": 1_700_000_000,
        "mapping": TREE,
        "current_node": "u2",
    }
    other = {**seen, "conversation_id": "c2", "current_node": "a1"}
    newest = {
        **seen,
        "conversation_id": "c3",
        "current_node": "gone",
        "mapping": {k: v for k, v in TREE.items() if k not in {"t", "u2"}} | {"a2": {**TREE["a2"], "children": []}},
    }
    path = write(tmp_path / "conversations.json", [seen, other, newest])
    assert formats.told(path) == formats.told(tmp_path) == "chatgpt"
    chats = list(formats.read(path))
    assert [[m.id for m in chat.messages] for chat in chats] == [["u1", "a2", "u2"], ["u1", "a1"], ["u1", "a2"]]
    assert chats[0].title == "Clay"
    times = [message.time for message in chats[0].messages]
    assert times == sorted(times)
    assert [message.role for message in chats[0].messages] == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    ("conversation", "why"),
    [
        ({"mapping": {"a": node("a", "b", [], "user", "x"), "b": node("b", "a", ["a"], "user", "y")}, "current_node": "a"}, "in a circle"),
        ({"mapping": {"a": node("a", "gone", [], "user", "x")}, "current_node": "a"}, "lacks the message gone"),
        ({"mapping": {"a": 7}, "current_node": "a"}, "lacks the message a"),
        ({"mapping": []}, "has no `mapping`"),
        ({}, "has no `mapping`"),
        (3, "has no `mapping`"),
        ({"mapping": {}}, "has no messages"),
        ({"mapping": {"a": {"message": {"author": 3, "content": [1]}, "parent": None}}, "current_node": "a"}, "has no messages"),
    ],
)  # fmt: skip
def test_a_chat_that_is_no_tree_is_a_problem_and_takes_no_other_with_it(tmp_path, conversation, why):
    good = {"id": "c1", "mapping": TREE, "current_node": "u2"}
    items = list(formats.read(write(tmp_path / "conversations.json", [conversation, good])))
    ((place, told),) = problems(items)
    assert place == "conversations.json: conversation 1"
    assert why in told
    assert isinstance(items[1], Chat)


def test_parts_that_are_pictures_are_passed_over(tmp_path):
    message = node("a", None, [], "user", "")
    message["message"]["content"]["parts"] = [{"asset_pointer": "x"}, "Look", {"text": "here"}, 3, None]
    path = write(tmp_path / "conversations.json", [{"id": "c", "mapping": {"a": message}}])
    assert next(formats.read(path)).messages[0].text == "Look\nhere"


def test_each_bad_line_is_told_with_its_number_and_the_good_ones_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "MOST_LINE_BYTES", 2_000)
    path = tmp_path / "x.jsonl"
    lines = [
        b'\xef\xbb\xbf{"text": "one", "id": 1, "tags": ["A"], "time": "2024-05-06"}',
        b"{broken",
        b"",
        b'{"text": "\xff"}',
        b'{"text": ' + b"[" * 1_500 + b"}",
        b'{"title": "no text"}',
        b'{"text": "' + b"x" * 9_000 + b'"}',
        b"[1]",
        b'{"text": "two", "time": "never", "source": "s", "metadata": {"a": 1}}',
    ]
    path.write_bytes(b"\n".join(lines))
    items = list(formats.read(path))
    good = [one for one in items if isinstance(one, Memory)]
    assert [(one.text, one.id) for one in good] == [("one", "1"), ("two", good[1].id)]
    assert good[0].time == datetime(2024, 5, 6, tzinfo=UTC)
    assert (good[1].time, good[1].metadata) == (None, {"a": 1, "source": "s"})
    assert [place for place, _why in problems(items)] == [f"x.jsonl:{number}" for number in (2, 4, 5, 6, 7, 8)]


def test_a_folder_s_links_and_odd_files_are_left_out_and_nothing_outside_is_read(tmp_path):
    secret = tmp_path / "secret.md"
    secret.write_text("secret")
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text('---\ntitle: "The kiln"\ntags: [x]\n---\n\nFire it slowly.')
    (folder / "deep" / "b.TXT").write_text("Plain text.")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / ".hidden.md").write_text("hidden")
    (folder / "link.md").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / "latin.md").write_bytes("Töpfe".encode("latin-1"))
    (folder / "utf16.md").write_bytes("Töpfe".encode("utf-16"))
    (folder / "empty.md").write_text(" \n")
    os.mkfifo(folder / "pipe.md")
    os.close(os.open(os.fsencode(folder) + b"/\xff.md", os.O_CREAT | os.O_WRONLY))
    items = list(formats.read(folder))
    pages = [one for one in items if isinstance(one, Page)]
    assert [(one.source, one.title, one.text.strip()) for one in pages] == [
        ("a.md", "The kiln", "Fire it slowly."),
        ("deep/b.TXT", "b", "Plain text."),
    ]
    told = dict(problems(items))
    assert told.pop("\ufffd.md") == "is empty"
    assert told == {
        "link.md": "is a link, and not followed",
        "up": "is a link, and not followed",
        "latin.md": "is not UTF-8",
        "utf16.md": "is not UTF-8",
        "empty.md": "is empty",
        "pipe.md": "is no file",
    }


def test_a_folder_that_is_very_deep_is_cut_off(tmp_path):
    deep = tmp_path / "notes"
    deep.joinpath(*["d"] * 80).mkdir(parents=True)
    deep.joinpath(*["d"] * 80, "x.md").write_text("deep")
    items = list(formats.read(deep))
    assert len(items) == 1
    assert "folders deep" in items[0].why


def test_what_is_of_no_format_is_said(tmp_path):
    path = write(tmp_path / "x.csv", "a,b")
    with pytest.raises(JsonError, match="of no known format"):
        formats.read(path)
    with pytest.raises(JsonError, match="is a folder"):
        formats.read(tmp_path, "jsonl")
    with pytest.raises(JsonError, match="is no folder"):
        formats.read(path, "memos")
    with pytest.raises(JsonError, match="holds no textual_memory"):
        list(formats.read(tmp_path, "memos"))
