from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest

from memporium_platform.settings import PlatformSettings
from memporium_services.data_lock import DataInUseError, hold_data


def serve(*arguments):
    command = [sys.executable, "-m", "memporium", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_service_of_a_data_folder_runs_once(tmp_path):
    settings = PlatformSettings(data_dir=tmp_path)
    with hold_data(settings, ["vault", "reader"]):
        with hold_data(settings, ["governance"]):
            pass
        with pytest.raises(DataInUseError, match="vault"), hold_data(settings, ["governance", "vault"]):
            pass
        shown = serve("vault", "--data-dir", str(tmp_path), "--listen", "127.0.0.1:0")
        assert shown.returncode == 1
        assert "serves vault from" in shown.stderr
        assert "Traceback" not in shown.stderr
    with hold_data(settings, ["vault"]):
        pass


def test_replicas_share_a_server(tmp_path):
    settings = PlatformSettings(data_dir=tmp_path, database_url="postgresql://u:p@h/d")
    with hold_data(settings, ["vault"]), hold_data(settings, ["vault"]):
        pass


def test_an_address_that_is_taken_is_said_before_anything_is_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        accepting = threading.Thread(target=taken.accept, daemon=True)
        accepting.start()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        shown = serve("--data-dir", str(tmp_path / "data"), "--listen", listen)
    assert shown.returncode == 1
    assert f"something listens on {listen} already" in shown.stderr
    assert not (tmp_path / "data").exists()
