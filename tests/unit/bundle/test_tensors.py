"""Files of tensors that are and are not let in."""

from __future__ import annotations

import contextlib
import json
import pickle
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memporium_platform.bundle.tensors import HEADER_MAX, TensorFileCheck, TensorFileError
from support.bundles import tensor_file


def check(data: bytes, piece: int = 1 << 20, limit: int = 1 << 24) -> None:
    reader = TensorFileCheck(size_limit=limit)
    for start in range(0, len(data), piece):
        reader.feed(data[start : start + piece])
    reader.finish()


def file(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(start: int, end: int, dtype: str = "U8", shape: list[int] | None = None) -> dict[str, object]:
    return {"dtype": dtype, "shape": [end - start] if shape is None else shape, "data_offsets": [start, end]}


@pytest.mark.parametrize("piece", [1, 3, 7, 64, 1 << 20])
def test_a_real_file_passes_in_pieces_of_any_size(piece):
    check(tensor_file({"a": [1.0, 2.0], "b": [3.0], "empty": []}), piece)


def test_files_of_the_safetensors_library_pass():
    import numpy as np
    from safetensors.numpy import save

    tensors = {"k": np.ones((2, 3), np.float16), "v": np.zeros((4,), np.float64), "scalar": np.array(2.0, np.float32)}
    check(save(tensors, metadata={"format": "pt"}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("piece", [1, 5, 1 << 20])
def test_numbers_that_are_not_finite_are_refused(value, piece):
    with pytest.raises(TensorFileError, match="finite"):
        check(tensor_file({"a": [1.0, value, 1.0]}), piece)


def test_bf16_and_f16_infinities_are_refused():
    for dtype, bits in (("BF16", 0x7F80), ("F16", 0xFC00)):
        with pytest.raises(TensorFileError, match="finite"):
            check(file({"a": entry(0, 2, dtype, [1])}, struct.pack("<H", bits)))


def test_numbers_of_eight_bits_are_refused_where_they_are_none():
    check(file({"a": entry(0, 2, "F8_E4M3", [2])}, b"\x7e\xf8"))
    for bits in (b"\x7f", b"\xff"):
        with pytest.raises(TensorFileError, match="finite"):
            check(file({"a": entry(0, 1, "F8_E4M3", [1])}, bits))


FORGED = {
    "pickle": pickle.dumps({"a": [1.0]}),
    "torch archive": b"PK\x03\x04" + bytes(100),
    "gguf": b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + bytes(100),
    "hole": file({"a": entry(0, 2), "b": entry(3, 4)}, bytes(4)),
    "overlap": file({"a": entry(0, 2), "b": entry(1, 3)}, bytes(3)),
    "hole at the start": file({"a": entry(1, 2)}, bytes(2)),
    "bytes behind": file({"a": entry(0, 2)}, bytes(3)),
    "cut": file({"a": entry(0, 2)}, bytes(1)),
    "bytes behind nothing": file({}, b"x"),
    "same name twice": file(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{}}', b"x"),
    "unknown type": file({"a": entry(0, 8, "F4")}, bytes(8)),
    "shape disagrees": file({"a": entry(0, 8, "F32", [3])}, bytes(8)),
    "negative shape": file({"a": entry(0, 8, "U8", [-2, -4])}, bytes(8)),
    "boolean shape": file({"a": entry(0, 1, "U8", [True])}, b"x"),
    "huge shape": file({"a": entry(0, 8, "U8", [1 << 60])}, bytes(8)),
    "float offset": file({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0.0, 1.0]}}, b"x"),
    "reversed offsets": file({"a": entry(1, 0, "U8", [1])}, b"x"),
    "unknown key": file({"a": entry(0, 1) | {"path": "../../etc/passwd"}}, b"x"),
    "metadata with objects": file({"__metadata__": {"a": {}}}),
    "no object": file([]),
    "deep JSON": file(b"[" * 100_000),
    "no JSON": file(b"\xff\xfe"),
    "header above the cap": (HEADER_MAX + 1).to_bytes(8, "little") + b"{" * 10,
    "empty": b"",
    "above the limit": file({"a": entry(0, 1 << 25)}, b""),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_files_are_refused(name):
    with pytest.raises(TensorFileError):
        check(FORGED[name])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 50))
def test_noise_raises_nothing_but_its_own_error(data, piece):
    with contextlib.suppress(TensorFileError):
        check(data, piece)


@pytest.mark.parametrize("place", [0, 131_071, 131_072, 300_000, 393_215])
def test_one_number_that_is_not_finite_is_found_wherever_it_is(place):
    numbers = [b"\x00\x3c"] * 393_216
    header = {"a": entry(0, 2 * len(numbers), "F16", [len(numbers)])}
    check(file(header, b"".join(numbers)))
    numbers[place] = b"\x00\x7c"
    with pytest.raises(TensorFileError, match="finite"):
        check(file(header, b"".join(numbers)))
