import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memporium.sources import json_stream
from memporium.sources.json_stream import JsonError, elements

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, max_size=8), block=st.integers(1, 9), indent=st.sampled_from([None, 2]))
def test_every_list_is_read_as_json_reads_it_whatever_the_blocks(tmp_path, monkeypatch, values, block, indent):
    monkeypatch.setattr(json_stream, "_BLOCK_CHARS", block)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert list(elements(path)) == values


def test_a_byte_order_mark_and_a_single_object_are_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf {"a": 1}\n ')
    assert list(elements(path)) == [{"a": 1}]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[1, 2", "missing"),
        (b"[1 2]", "missing"),
        (b"[1, 2] 3", "something follows"),
        (b'[{"a": NaN}]', "NaN is no JSON"),
        (b"[" + b"[" * 100_000 + b"]" * 100_000 + b"]", "nested too deep"),
        (b'["\xff"]', "is not UTF-8"),
        (b"[" + b"9" * 5_000 + b"]", "digits"),
        (b"", "Expecting value"),
        (b"[,]", "Expecting value"),
    ],
)
def test_what_is_no_json_is_said(tmp_path, content, why):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(JsonError, match=why):
        list(elements(path))


def test_what_comes_before_a_fault_is_read_and_the_fault_has_its_place(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('[{"a": 1}, {"b": }]')
    found = []
    with pytest.raises(JsonError, match="character 18"):
        found.extend(one for one in elements(path))
    path.write_text("[1, 2, nope]")
    stream = elements(path)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(JsonError):
        next(stream)


@pytest.mark.parametrize("wrap", ["[{}]", '{{"version": 1, "results": [{}], "more": {{"x": [1]}}}}'])
def test_a_large_file_takes_the_memory_of_an_element(tmp_path, wrap):
    path, count = tmp_path / "x.json", 3_000
    row = json.dumps({"memory": "x" * 9_000})
    path.write_text(wrap.format(",".join([row] * count)))
    assert path.stat().st_size > 27_000_000
    tracemalloc.start()
    found = sum(len(one["memory"]) for one in elements(path, keys={"results"}))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == 9_000 * count
    assert peak < 4_000_000


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"a": 1, "nodes": [1, {"x": 2}], "b": [3]}', [1, {"x": 2}]),
        ('{"nodes": [], "more": [4], "nodes": [5]}', [4, 5]),
        ('{"nodes": {"x": 1}}', []),
        ("{}", []),
        ("[6]", [6]),
    ],
)
def test_the_lists_under_some_keys_are_read(tmp_path, content, found):
    path = tmp_path / "x.json"
    path.write_text(content)
    assert list(elements(path, keys={"nodes", "more"})) == found


@pytest.mark.parametrize("content", ['{"nodes": [1', '{"nodes" [1]}', '{"a": 1 "b": 2}', "{1: 2}", '{"a": 1}}', '{"a"'])
def test_an_object_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(JsonError):
        list(elements(path, keys={"nodes"}))


def test_an_element_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    path.write_text('["' + "x" * 500_000)
    with pytest.raises(JsonError, match="more than 100000 characters"):
        list(elements(path, most_chars=100_000))
