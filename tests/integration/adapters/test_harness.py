"""The harness client, driven as evaluation harnesses drive theirs: made without arguments, add, search, delete."""

from __future__ import annotations

import pytest

from memporium.adapters.harness import MemporiumClient

SESSION = [
    {
        "role": "user",
        "name": "Ada",
        "content": "I signed up for pottery yesterday.",
        "chat_time": "1:56 pm on 8 May, 2023",
    },
    {"role": "assistant", "content": "", "chat_time": "1:57 pm on 8 May, 2023"},
    {"role": "assistant", "content": "Lovely, enjoy the clay!"},
]


@pytest.fixture
def client(here, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_ADDRESS", here.address)
    monkeypatch.setenv("MEMPORIUM_API_KEY", here.key)
    found = MemporiumClient()
    yield found
    for user in ("lme_1", "lme_2"):
        found.delete_all(user)


def test_a_session_is_added_once_and_found_by_its_user_alone(client):
    client.set_custom_instructions("anything")
    client.add(SESSION, "lme_1", conv_id="c1", batch_size=20)
    client.add(SESSION, user_id="lme_1", conv_id="c1")
    client.add(SESSION[:1], user_id="lme_2")
    text = client.search("What did Ada sign up for?", user_id="lme_1", top_k=5)
    assert "pottery" in text
    assert "7 May 2023" in text
    found = client.search_list("What did Ada sign up for?", "lme_1", top_k=5)
    assert [(one["source"], one["turn"]) for one in found] == [("c1", "t0"), ("c1", "t1")]
    assert found[0]["time"] == "2023-05-08T13:56:00Z"
    assert found[1]["time"] == "2023-05-08T13:56:01Z"
    client.delete_all("lme_1")
    assert client.search("pottery", "lme_1", 5) == ""
    assert client.search("pottery", "lme_2", 5) != ""
    client.add(SESSION, "lme_1", conv_id="c1")
    assert "pottery" in client.search("pottery", "lme_1", 5)


def test_a_session_without_an_id_is_known_by_what_it_holds_and_may_grow(client):
    client.add(SESSION[:1], "lme_1")
    client.add(SESSION, "lme_1")
    client.add([{"role": "user", "content": "Another day."}], "lme_1", timestamp="2023-06-01T10:00:00Z")
    assert len(client.search_list("pottery clay day", "lme_1", top_k=20)) == 3


@pytest.mark.parametrize("user", ["Ä ö/../x", "a" * 190, "lme_exper_user_3-v1.0", "*"])
def test_any_user_id_has_a_memory_of_its_own(client, user):
    client.delete_all(user)
    client.add(SESSION, user)
    try:
        assert "pottery" in client.search("pottery", user, 3)
        assert client.search("pottery", user + "x"[: 200 - len(user)], 3) == ""
    finally:
        client.delete_user(user)


def test_a_message_of_parts_is_the_text_of_its_parts(client):
    parts = [{"type": "text", "text": "I play chess"}, {"type": "image_url", "image_url": "x"}]
    client.add(
        [{"role": "user", "content": parts}, {"role": "user", "content": [{"type": "image_url"}]}], "parts", "c1"
    )
    found = client.search_list("chess", "parts")
    assert len(found) == 1
    assert found[0]["memory"].startswith("user: I play chess (")


def test_nothing_and_wrong_times_are_told(client):
    client.add([], "lme_1")
    assert client.search("anything", "lme_1") == ""
    with pytest.raises(ValueError, match="no time in a known shape"):
        client.add([{"role": "user", "content": "x", "chat_time": "half past"}], "lme_1")


def test_the_key_may_stand_in_a_file(here, tmp_path):
    path = tmp_path / "key"
    path.write_text(here.key + "\n")
    client = MemporiumClient(environment={"MEMPORIUM_ADDRESS": here.address, "MEMPORIUM_API_KEY_FILE": str(path)})
    assert client.search("x", "never-added") == ""
