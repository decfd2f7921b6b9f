"""A proxy for the world outside is not on the way to the app of this machine, and never sees its key."""

import asyncio
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ftchat import cli
from ftchat.cli import own_app, selftest, simulate
from ftchat.errors import FtchatError
from ftchat.lease import Announced, Lease
from ftchat.scenarios import Scenario, read_scenario, shipped_scenarios
from ftchat.simulate import Orders

Asked = list[tuple[str, str | None]]  # path and key


class Server:
    """Answers every request alike, and keeps what was asked."""

    def __init__(self, status: int, body: bytes) -> None:
        self.asked: Asked = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append((self.path, self.headers.get("Authorization")))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """What the environment sends everything through."""
    made = Server(502, b"<html>Bad gateway</html>")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, made.url)
    yield made
    made.close()


@pytest.fixture
def app() -> Iterator[Server]:
    """As far as these commands ask it."""
    made = Server(418, b'{"error": {"type": "X", "message": "Not today."}}')
    yield made
    made.close()


def test_commands_ask_the_app_itself(tmp_path: Path, proxy: Server, app: Server) -> None:
    lease = Lease(tmp_path / "data" / "lease")
    lease.announce(app.url, "key")
    with pytest.raises(SystemExit):
        cli.main(["users", "list", "--home", str(tmp_path)])
    lease.release()
    assert app.asked == [("/api/users", "Bearer key")]
    assert proxy.asked == []


def small() -> Scenario:
    """One that asks nothing at once with something else."""
    whole = read_scenario(next(iter(shipped_scenarios())))
    return replace(whole, retention=whole.retention[:1])


def test_simulate_and_selftest_ask_the_app_itself(proxy: Server, app: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    at = Announced(app.url, "key")
    with pytest.raises(FtchatError, match=r"Not today\."):
        simulate.play(at, small(), Orders(rounds=1))
    monkeypatch.setattr(selftest, "read_scenario", lambda _: small())
    own = own_app.OwnApp(at, Path(), 0, 0.0)
    with pytest.raises(FtchatError, match=r"Not today\."):
        asyncio.run(selftest._loop(own, Namespace(feedback=1, effort="quick"), selftest.Report()))
    assert {key for _, key in app.asked} == {"Bearer key"}
    assert proxy.asked == []


def test_an_app_of_a_commands_own_is_asked_itself_whether_it_is_ready(tmp_path: Path, proxy: Server) -> None:
    ready = Server(200, b'{"ready": true}')
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        own_app._until_ready(process, tmp_path, Announced(ready.url, "key"), print)
    ready.close()
    assert [path for path, _ in ready.asked] == ["/readyz"]
    assert proxy.asked == []


@pytest.mark.parametrize("body", [b"<html>Hello</html>", b"[]", b'{"error": "Hello"}'])
def test_a_refusal_that_is_not_the_apps_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    other, lease = Server(502, body), Lease(tmp_path / "data" / "lease")
    lease.announce(other.url, "key")
    with pytest.raises(SystemExit) as ended:
        cli.main(["users", "list", "--home", str(tmp_path)])
    lease.release()
    other.close()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said == (
        f"ftchat: What answers at {other.url}/api/users is not ftchat (status 502). "
        "Look whether another program listens there.\n"
    )


@pytest.mark.parametrize(("status", "body"), [(502, b"<html>Hello</html>"), (502, b"[]"), (200, b"Hello")])
def test_simulate_and_selftest_too_say_in_words_that_an_answer_is_none(status: int, body: bytes) -> None:
    other = Server(status, body)
    at = Announced(other.url, "key")
    with pytest.raises(FtchatError, match=r"the app gave no answer \(\w+\)\. Look into its log\."):
        simulate.play(at, small(), Orders(rounds=1))
    other.close()
