"""The client that evaluation harnesses of memory systems ask for: add, search, delete, by user.

Harnesses in the manner of OmniMemEval and of MemOS's own evaluation make a client without arguments and call `add` with
the messages of a session, `search` for text to answer from, and `delete_all` between runs. Register this class there
under a name of your choice; the connection comes from the environment, as for the command line.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memporium.client import Client, MemporiumError
from memporium.memory.scopes import scope_of
from memporium.memory.texts import text_of
from memporium.reader.v1 import remember_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_ABSENT = frozenset({"NOT_FOUND", "PERMISSION_DENIED"})
_TURNS = 5_000
_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_TIMES = (
    "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M",
    "%Y-%m-%d", "%Y/%m/%d (%a) %H:%M", "%Y/%m/%d %H:%M", "%I:%M %p on %d %B, %Y", "%I:%M %p on %d %B, %Y UTC",
    "%d %B %Y", "%B %d, %Y",
)  # fmt: skip


class MemporiumClient:
    """Add, search and delete by user, each user in a vault of their own.

    The environment: `MEMPORIUM_ADDRESS`, `MEMPORIUM_API_KEY` or `MEMPORIUM_API_KEY_FILE`; `MEMPORIUM_HARNESS_PREFIX`
    begins the vaults' ids (`harness`), `MEMPORIUM_HARNESS_BUDGET` is the number of tokens that a search returns at most
    (4,096).
    """

    def __init__(self, client: Client | None = None, *, environment: Mapping[str, str] = os.environ) -> None:
        """Connect; `client` is a connection to use instead of the environment's."""
        self._client = client or _connect(environment)
        self._prefix = environment.get("MEMPORIUM_HARNESS_PREFIX", "harness")
        self._budget = int(environment.get("MEMPORIUM_HARNESS_BUDGET", "4096"))
        self._org = ""
        self._made: set[str] = set()

    def add(
        self,
        messages: Sequence[Mapping[str, Any]],
        user_id: str,
        conv_id: str = "",
        timestamp: datetime | float | str | None = None,
        **_others: Any,
    ) -> None:
        """Remember the messages of a session: `role`, `content`, and where given `name` and `chat_time`.

        A session that is sent again, whole or with more messages, is not remembered twice: it is known by `conv_id`, or
        else by what it holds.

        Args:
            messages: The messages.
            user_id: Whose memory.
            conv_id: The session.
            timestamp: When it took place, for messages without a `chat_time`: seconds since 1970, or ISO 8601.
        """
        said = [one for one in messages if text_of(one.get("content")).strip()]
        if not said:
            return
        vault, session = self._vault(user_id), conv_id or _session_of(said)
        for start in range(0, len(said), _TURNS):
            part = f"{session}:{start // _TURNS}" if start else session
            turns = said[start : start + _TURNS]
            # All of them before the call: a wrong time is the caller's, and no failure of the connection.
            requests = list(_requests(vault, part, turns, _time(timestamp)))
            self._client.reader.remember(requests, timeout_s=3600)

    def search(self, query: str, user_id: str, top_k: int = 20, **_others: Any) -> str:
        """Return the memories that answer a question, as text to put before a model; "" where there are none."""
        return str(self._recall(query, user_id, top_k).context) if self._known(user_id) else ""

    def search_list(self, query: str, user_id: str, top_k: int = 20, **_others: Any) -> list[dict[str, Any]]:
        """Return the memories one by one: `memory`, `score`, `source`, `turn`, `time`."""
        if not self._known(user_id):
            return []
        return [
            {
                "memory": item.text,
                "score": item.score,
                "source": item.source.source,
                "turn": item.source.locator,
                "time": item.source.time.ToJsonString() if item.source.HasField("time") else "",
            }
            for item in self._recall(query, user_id, top_k).items
        ]

    def delete_all(self, user_id: str) -> None:
        """Erase a user's memory; nothing happens where there is none."""
        try:
            self._client.vault.delete_vault(name=self._name(user_id), erase=True, timeout_s=600)
        except MemporiumError as error:
            if error.reason not in _ABSENT:
                raise
        self._made.discard(self._name(user_id))

    # Harnesses name it either way.
    delete = delete_user = delete_all

    def set_custom_instructions(self, text: str) -> None:
        """Take note of nothing: what is kept are the words that were said."""

    def _recall(self, query: str, user_id: str, top_k: int) -> Any:
        return self._client.reader.recall(
            parent=self._name(user_id), query=query[:4_096], limit=min(max(top_k, 1), 200), budget_tokens=self._budget
        )

    def _known(self, user_id: str) -> bool:
        """Say whether there is a memory of a user; a search for one that was never added finds nothing."""
        name = self._name(user_id)
        if name not in self._made:
            try:
                self._client.vault.get_vault(name=name)
            except MemporiumError as error:
                if error.reason in _ABSENT:
                    return False
                raise
            self._made.add(name)
        return True

    def _name(self, user_id: str) -> str:
        if not self._org:
            name: str = self._client.governance.who_am_i().principal.name
            self._org = "/".join(name.split("/")[:2])
        scope = scope_of(user_id=user_id, agent_id=None, run_id=None)
        return f"{self._org}/vaults/{scope.vault_id(self._prefix)}"

    def _vault(self, user_id: str) -> str:
        name = self._name(user_id)
        if name not in self._made:
            try:
                self._client.vault.create_vault(parent=self._org, vault_id=name.rsplit("/", 1)[1])
            except MemporiumError as error:
                if error.reason != "ALREADY_EXISTS":
                    raise
            self._made.add(name)
        return name


def _connect(environment: Mapping[str, str]) -> Client:
    key = environment.get("MEMPORIUM_API_KEY", "")
    if not key and (path := environment.get("MEMPORIUM_API_KEY_FILE")):
        key = Path(path).read_text(encoding="utf-8").strip()
    return Client(environment.get("MEMPORIUM_ADDRESS", "127.0.0.1:7600"), api_key=key)


def _requests(
    vault: str, session: str, messages: Sequence[Mapping[str, Any]], start: datetime | None
) -> Iterator[remember_pb2.RememberRequest]:
    header = remember_pb2.RememberHeader(parent=vault, session=session)
    yield remember_pb2.RememberRequest(header=header)
    moment = start or _FIRST_DAY
    for number, one in enumerate(messages):
        role = str(one.get("role") or "user")
        told = _time(one.get("chat_time") or one.get("timestamp") or one.get("created_at"))
        moment = told if told is not None else moment + timedelta(seconds=1)
        turn = remember_pb2.Turn(
            id=str(one.get("dia_id") or f"t{number}"),
            role=role,
            speaker=str(one.get("name") or role),
            text=text_of(one.get("content")),
        )
        turn.time.FromDatetime(moment)
        yield remember_pb2.RememberRequest(turn=turn)


def _session_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return an id made from the beginning of a session, so that the same one sent again has the same."""
    first = messages[0]
    told = "\x00".join(str(first.get(key, "")) for key in ("role", "name", "chat_time", "content"))
    return f"s-{hashlib.sha256(told.encode()).hexdigest()[:24]}"


def _time(given: Any) -> datetime | None:
    """Return a time, aware; None where none is told.

    Raises:
        ValueError: It is in no known shape.
    """
    if given is None or given == "":
        return None
    if isinstance(given, datetime):
        return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    if isinstance(given, int | float):
        return datetime.fromtimestamp(given, UTC)
    text = str(given).strip()
    for shape in _TIMES:
        try:
            found = datetime.strptime(text, shape)  # noqa: DTZ007 - UTC where the text names no zone
        except ValueError:
            continue
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    raise ValueError(f"no time in a known shape: {text!r}")
