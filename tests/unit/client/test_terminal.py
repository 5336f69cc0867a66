from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from memporium.cli import _failure, _output, _terminal


class Terminal:
    """A standard output that knows ASCII alone."""

    def __init__(self, monkeypatch):
        self.written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(self.written, encoding="ascii", errors="strict"))

    def shown(self):
        sys.stdout.flush()
        return self.written.getvalue()


def test_what_the_terminal_cannot_show_is_escaped(monkeypatch):
    terminal = Terminal(monkeypatch)
    _terminal.fit_output(as_json=False)
    _output.console.print("Zoë")
    assert terminal.shown() == b"Zo\\xeb\n"


def test_json_is_utf8_whatever_the_terminal(monkeypatch):
    terminal = Terminal(monkeypatch)
    _terminal.fit_output(as_json=True)
    sys.stdout.write(json.dumps({"name": "Zoë"}, ensure_ascii=False))
    assert json.loads(terminal.shown()) == {"name": "Zoë"}


def test_output_in_utf8_and_of_other_kinds_is_left_alone(monkeypatch):
    for stream in (io.TextIOWrapper(io.BytesIO(), encoding="UTF-8"), io.StringIO()):
        monkeypatch.setattr(sys, "stdout", stream)
        before = getattr(stream, "errors", None)
        _terminal.fit_output(as_json=False)
        assert getattr(stream, "errors", None) == before


def test_arguments_of_a_locale_without_utf8_are_read_all_the_same():
    foreign = "café".encode().decode("ascii", errors="surrogateescape")
    assert _terminal.readable(["search", foreign, "naïve", "✓"]) == ["search", "café", "naïve", "✓"]


def test_an_argument_of_other_bytes_is_wrong_use_in_one_line():
    command = [sys.executable, "-c", "from memporium.cli import main; main()", "search", "notes", b"caf\xe9"]
    environment = {**os.environ, "MEMPORIUM_ADDRESS": "127.0.0.1:1"}
    ended = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [b"wrong use an argument is not UTF-8: b'caf\\xe9' (see memporium --help)"]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused", "start it"),
        ("last error: UNAVAILABLE: ipv4:127.0.0.1:1: Ssl handshake failed: CERTIFICATE_VERIFY_FAILED", "--ca-file"),
        ("last error: UNAVAILABLE: ipv4:127.0.0.1:1: Socket closed", "where it speaks TLS"),
        ("last error: UNAVAILABLE: recvmsg: Connection reset by peer", "where it speaks TLS"),
    ],
)
def test_a_platform_that_is_there_but_speaks_tls_is_told_from_none(message, told):
    assert told in _failure.unreached("127.0.0.1:1", message)
