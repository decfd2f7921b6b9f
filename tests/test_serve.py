"""Starting the app: with an engine elsewhere, and when it cannot."""

import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from running import ROOT, Running, wait_for

from ftchat.server import Server


def states(app: Running) -> dict[str, str]:
    return {one["name"]: one["state"] for one in app.get("/api/adapters")["items"]}


def test_an_engine_elsewhere_answers_and_is_left_running(vllm: Server, tmp_path: Path) -> None:
    flags = ("--engine-url", vllm.endpoint.url, "--engine-key", vllm.endpoint.key)
    app = Running(tmp_path / "home", *flags)
    shutil.copytree(ROOT / "adapters" / "edda-v1", app.home / "adapters" / "edda-v1")  # as in a folder just cloned
    app.start()
    try:
        app.until_ready()
        wait_for(lambda: states(app) == {"edda-v1": "challenger"}, what="the adapter in the folder", within_s=30)
        turn = app.post("/api/turns", prompt="Hello!", params={"temperature": 0})
        assert turn["lanes"][0]["text"] == "Hello! How can I help you?"
        compared = app.post("/api/turns", prompt="Hello!", mode="compare", blind=False)
        assert [lane["finish"] for lane in compared["lanes"]] == ["stop", "stop"]
        assert {lane["contestant"] for lane in compared["lanes"]} == {"base", "edda-v1"}
    finally:
        app.stop()
    assert app.process is not None
    assert app.process.returncode == 0
    assert "Traceback" not in (app.home / "app.log").read_text()
    assert vllm.stage == "ready"


def started(*flags: str, home: Path) -> subprocess.CompletedProcess[str]:
    """What starting with these flags says, when it cannot."""
    command = [sys.executable, str(ROOT / "app.py"), "--home", str(home), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=home, check=False)


@pytest.mark.parametrize(
    ("flags", "status", "said"),
    [
        (("--open", "--host", "0.0.0.0"), 2, "without a login ftchat listens on 127.0.0.1 only"),
        (("--open", "--port", "0", "--model", "nowhere"), 2, "There is no model folder"),
        (("--open", "--port", "many"), 2, "port is 'many': expected int"),
        (("--host", "192.0.2.1"), 2, "192.0.2.1:7860 is nothing to listen on here"),
        (("--open", "--port", "0", "--home", "/dev/null"), 2, "The home /dev/null cannot be written to"),
    ],
)
def test_a_start_that_cannot_work_says_why(tmp_path: Path, flags: tuple[str, ...], status: int, said: str) -> None:
    found = started(*flags, home=tmp_path)
    assert (found.returncode, found.stdout) == (status, "")
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = started("--open", "--port", port, home=tmp_path)
    assert found.returncode == 3
    assert f"Port {port} on 127.0.0.1 is taken" in found.stderr


def test_the_command_says_what_it_knows() -> None:
    command = [sys.executable, "-m", "ftchat.cli"]
    usage = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    wrong = subprocess.run([*command, "fly"], capture_output=True, text=True, check=False)
    assert (usage.returncode, wrong.returncode) == (0, 2)
    assert "serve      pages, API and engine" in usage.stdout
    assert "no command 'fly'" in wrong.stderr


def test_a_page_and_its_policy_are_up_without_an_engine(tmp_path: Path) -> None:
    app = Running(tmp_path / "home", "--engine-url", "http://127.0.0.1:9")
    app.start()
    try:
        with urllib.request.urlopen(app.url) as page:
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
            assert b"gradio" in page.read()
        assert wait_for(lambda: app.get("/healthz"), what="the pages", within_s=5) == {"status": "ok"}
    finally:
        app.stop()


class Browser:
    """Keeps cookies and follows redirects, as browsers do."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def open(self, path: str, **form: str) -> tuple[int, str]:
        body = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self._opener.open(self._url + path, body, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as err:
            return err.code, err.read().decode()


def test_the_first_start_makes_an_admin_whose_login_outlives_a_restart(tmp_path: Path) -> None:
    app = Running(tmp_path / "home", "--engine-url", "http://127.0.0.1:9", "--no-open")
    app.start()
    try:
        path = wait_for(lambda: re.search(r"/join/\S+", (app.home / "app.log").read_text()), what="a link", within_s=5)
        admin, nobody = Browser(app.url), Browser(app.url)
        assert nobody.open("/api/users")[0] == 401
        assert "Log in" in nobody.open("/")[1]
        assert "Join as admin" in admin.open(path.group())[1]
        status, page = admin.open(path.group(), name="admin", password="three teapots", again="three teapots")
        assert (status, "gradio" in page) == (200, True)
        assert nobody.open(path.group(), name="eve", password="three teapots", again="three teapots")[0] == 404
        app.stop()
        (app.home / "app.log").unlink()
        app.start()
        assert admin.open("/api/users")[0] == 200
        wait_for(lambda: f"Open {app.url}\n" in (app.home / "app.log").read_text(), what="the address", within_s=5)
    finally:
        app.stop()
    assert not (app.home / "data" / "running.json").exists()


@pytest.mark.parametrize(
    ("hosts", "link", "remark"),
    [
        (("--hosts", "chat.example.org"), "http://chat.example.org:{port}/join/", 0),
        ((), "http://127.0.0.1:{port}/join/", 1),
    ],
)
def test_the_link_of_a_first_start_can_be_opened_elsewhere_or_says_what_to_replace(
    tmp_path: Path, hosts: tuple[str, ...], link: str, remark: int
) -> None:
    app = Running(tmp_path / "home", "--engine-url", "http://127.0.0.1:9", "--host", "0.0.0.0", *hosts, alone=False)
    app.start()
    try:
        log = app.home / "app.log"
        said = wait_for(lambda: "/join/" in log.read_text() and log.read_text(), what="a link", within_s=5)
        assert f"  Open {link.format(port=app.port)}" in said
        assert said.count("127.0.0.1 is this machine alone: for others put its address there") == remark
    finally:
        app.stop()
