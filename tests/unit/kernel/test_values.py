from __future__ import annotations

import pytest

from memporium.reader.v1 import remember_pb2
from memporium.scheduler.v1 import scheduler_service_pb2
from memporium.vault.v1 import vault_service_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.rpc.method_table import rows_of
from memporium_platform.rpc.values import compile_values

SEARCH = vault_service_pb2.SearchCubesRequest
SENSE = compile_values(SEARCH.DESCRIPTOR)


def wrong(**fields: object) -> str:
    """Return which field is refused; "" where all make sense."""
    request = SEARCH(**fields)  # type: ignore[arg-type]
    try:
        SENSE(request, "")
    except PlatformError as error:
        assert error.reason is Reason.INVALID_FIELD
        return error.fields[0].field
    return ""


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mode": 4, "filter": {"states": [1, 2]}}, ""),
        ({"mode": 99}, "mode"),
        ({"query": "a\0b"}, "query"),
        ({"filter": {"tags_any": ["a", "\0"]}}, "filter.tags_any"),
        ({"filter": {"states": [1, 99]}}, "filter.states"),
        ({"filter": {"event_time_min": {"seconds": 1}, "event_time_max": {"seconds": 2, "nanos": 999_999_999}}}, ""),
        ({"filter": {"event_time_min": {"seconds": 2**62}}}, "filter.event_time_min"),
        ({"filter": {"event_time_min": {"seconds": -(2**40)}}}, "filter.event_time_min"),
        ({"filter": {"event_time_max": {"seconds": 1, "nanos": -1}}}, "filter.event_time_max"),
    ],
)
def test_impossible_values_are_named(fields: dict[str, object], field: str) -> None:
    assert wrong(**fields) == field


@pytest.mark.parametrize(("seconds", "nanos"), [(2**50, 0), (1, -1), (-1, 1), (0, 2_000_000_000)])
def test_durations_are_durations(seconds: int, nanos: int) -> None:
    request = vault_service_pb2.WatchCubesRequest(progress_interval={"seconds": seconds, "nanos": nanos})
    with pytest.raises(PlatformError, match="progress_interval"):
        compile_values(request.DESCRIPTOR)(request, "")


def test_what_is_remembered_may_hold_anything() -> None:
    turn = remember_pb2.RememberRequest(turn={"speaker": "Ann", "text": "a\0b"})
    sense = compile_values(turn.DESCRIPTOR)
    sense(turn, "")
    turn.turn.speaker = "\0"
    with pytest.raises(PlatformError, match=r"turn\.speaker"):
        sense(turn, "")


def test_lists_and_elements_are_looked_into() -> None:
    sense = compile_values(scheduler_service_pb2.ListJobsRequest.DESCRIPTOR)
    sense(scheduler_service_pb2.ListJobsRequest(states=[1]), "")
    with pytest.raises(PlatformError, match="states"):
        sense(scheduler_service_pb2.ListJobsRequest(states=[99]), "")
    batch = vault_service_pb2.BatchCreateCubesRequest()
    batch.cubes.add()
    batch.cubes.add().cube.descriptive.event_time.seconds = 2**61
    with pytest.raises(PlatformError) as caught:
        compile_values(batch.DESCRIPTOR)(batch, "")
    assert caught.value.fields[0].field == "cubes[1].cube.descriptive.event_time"


def test_texts_are_left_out_where_asked_and_all_else_is_not():
    sense = compile_values(SEARCH.DESCRIPTOR, texts=False)
    sense(SEARCH(parent="orgs/acme\0"), "")
    with pytest.raises(PlatformError):
        sense(SEARCH(mode=999), "")


def test_a_nul_in_any_text_is_found_among_the_bytes_of_a_request():
    row = rows_of("memporium.vault.v1.VaultService")["/memporium.vault.v1.VaultService/SearchCubes"]
    good = SEARCH(parent="orgs/acme/vaults/v", query="a")
    row.sense(good, good.SerializeToString())
    bad = SEARCH(parent="orgs/acme/vaults/v", filter={"tags_any": ["a", "b\0"]})
    with pytest.raises(PlatformError, match="tags_any"):
        row.sense(bad, bad.SerializeToString())
