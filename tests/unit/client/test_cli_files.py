"""What the command line reads and writes on its own machine: whole or not there, and said in one line."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memporium.cli import _context, _failure, _files, _terminal

COMMAND = [sys.executable, "-c", "from memporium.cli import main; main()"]
DEVICE = Path("/dev/full")


def full():
    return OSError(errno.ENOSPC, "No space left on device")


def names(folder):
    return [one.name for one in folder.iterdir()]


def fail(path, error):
    with _files.whole(path) as out:
        out.write(b"half")
        out.flush()
        raise error


def test_a_file_stands_when_it_is_whole(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"before")
    path.chmod(0o600)
    with _files.whole(path) as out:
        out.write(b"af")
        assert path.read_bytes() == b"before"
        out.write(b"ter")
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["log"]


@pytest.mark.parametrize("before", [b"before", None])
@pytest.mark.parametrize("error", [full(), KeyboardInterrupt(), RuntimeError("the stream ended")])
def test_a_file_that_fails_half_way_leaves_what_was_there(tmp_path, before, error):
    path = tmp_path / "log"
    if before:
        path.write_bytes(before)
    with pytest.raises(type(error)):
        fail(path, error)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == ([before] if before else [])


def test_errors_name_the_file_that_was_asked_for(tmp_path):
    path = tmp_path / "absent" / "log"
    with pytest.raises(FileNotFoundError) as caught, _files.whole(path):
        pass
    assert caught.value.filename == str(path)
    with pytest.raises(OSError, match="No space") as caught:
        fail(tmp_path / "log", full())
    assert caught.value.filename == str(tmp_path / "log")


def test_a_link_and_a_device_stay_what_they_are(tmp_path):
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    with _files.whole(tmp_path / "link") as out:
        out.write(b"said")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"said"
    reading, writing = os.pipe()
    with _files.whole(Path(f"/dev/fd/{writing}")) as out:
        out.write(b"piped")
    os.close(writing)
    assert os.read(reading, 10) == b"piped"
    os.close(reading)


def test_a_full_disk_is_no_wrong_use(capsys):
    assert _failure.failed_locally(full(), as_json=False) == 4
    assert _failure.failed_locally(OSError(errno.EISDIR, "Is a directory", "log"), as_json=False) == 2
    assert capsys.readouterr().err.splitlines() == [
        "not written the output: No space left on device",
        "wrong use log: Is a directory",
    ]


def test_a_key_that_cannot_be_saved_is_told_and_leaves_no_file(tmp_path, monkeypatch, capsys):
    path = tmp_path / "acme.key"
    assert not _context.keep_secret(None, "mpk_a_b")
    assert _context.keep_secret(path, "mpk_a_b")
    assert not _context.keep_secret(path, "mpk_c_d")
    assert path.read_text() == "mpk_a_b\n"

    def refuse(*given, **told):
        raise full()

    monkeypatch.setattr(os, "fdopen", refuse)
    assert not _context.keep_secret(tmp_path / "other.key", "mpk_a_b")
    assert names(tmp_path) == ["acme.key"]
    assert capsys.readouterr().err.splitlines()[-1] == f"not written {tmp_path}/other.key: No space left on device"


def test_what_is_no_text_is_wrong_use(tmp_path):
    (tmp_path / "keys").write_bytes(b"\xff\xfe")
    with pytest.raises(_failure.UsageError):
        _files.text_of(tmp_path / "keys", "--jwks")


@pytest.mark.skipif(not DEVICE.exists(), reason="needs a device that is full")
def test_a_full_output_is_told_in_one_line():
    with DEVICE.open("wb") as taken:
        ended = subprocess.run([*COMMAND, "--version"], stdout=taken, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (4, b"not written the output: No space left on device\n")


def test_closed_streams_are_no_fault():
    script = "for n in (0, 1, 2): os.close(n)\nos.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    ended = subprocess.run([sys.executable, "-c", f"import os, sys\n{script}", *COMMAND[1:], "--version"], check=False)
    assert ended.returncode == 0


def test_streams_that_were_closed_hold_nothing(monkeypatch):
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(sys, name, None)
    _terminal.open_closed()
    with sys.stdin as given, sys.stdout as taken:
        assert given.read() == ""
        taken.write("nobody reads this")
