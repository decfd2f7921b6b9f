"""A base by its name on a hub: downloaded from a small server that speaks as the hub does, kept, pinned, refused."""

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from running import ROOT, Running, wait_for

from ftchat import hub, starter
from ftchat.base import open_base
from ftchat.cli import own_app
from ftchat.errors import SetupError
from ftchat.hub import Progress, fetch, folder, is_id
from ftchat.launch import free_port

COMMIT = "a" * 40
MODEL = "cheese/brie-instruct"


class Hub(ThreadingHTTPServer):
    """One repository: its files, what was asked, and how it fails."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = files
        self.asked: list[str] = []
        self.gated: tuple[str, ...] = ()  # beginnings of paths that need a token
        self.commit = COMMIT
        self.stop_at: int | None = None  # bytes of a file after which nothing more comes
        self.ended = threading.Event()
        self.losses = 0  # connections that are lost in the middle of a large file
        self.hashes: dict[str, str] = {}
        self.ranges: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if not path.startswith((f"/api/models/{MODEL}", f"/{MODEL}/")):
            self._refuse(401, "RepoNotFound")
        elif path.startswith(self.server.gated) and not self.headers["Authorization"]:
            self._refuse(403, "GatedRepo")
        elif path.startswith(f"/api/models/{MODEL}/revision/"):
            revision = path.rsplit("/", 1)[1]
            if revision not in ("main", "v1", COMMIT):
                self._refuse(404, "RevisionNotFound")
                return
            commit = COMMIT if revision == COMMIT else self.server.commit
            siblings = [self._listed(name, data) for name, data in self.server.files.items()]
            self._json({"id": MODEL, "sha": commit, "siblings": siblings})
        elif path.startswith(f"/api/models/{MODEL}/tree/"):
            files = [(name, len(data), _etag(data)) for name, data in self.server.files.items()]
            self._json([{"type": "file", "path": name, "size": size, "oid": oid} for name, size, oid in files])
        else:
            commit, name = path.removeprefix(f"/{MODEL}/resolve/").split("/", 1)
            self._file(self.server.files[name], commit=commit)

    def _listed(self, name: str, data: bytes) -> dict[str, object]:
        """As the hub lists a file; large ones with their hash."""
        found: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": _etag(data)}
        if name in self.server.hashes:
            found["lfs"] = {"sha256": self.server.hashes[name], "size": len(data), "pointerSize": 134}
        return found

    def _file(self, data: bytes, *, commit: str) -> None:
        asked = self.headers["Range"]
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{_etag(data)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(data) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if asked and start:
            self.server.ranges.append(asked)
        stop = self.server.stop_at
        if stop is not None and len(data) > stop:
            self.wfile.write(data[start:stop])
            self.server.ended.wait(60)
            self.close_connection = True
            return
        if self.server.losses and len(data) > 1_000_000:
            self.server.losses -= 1
            self.wfile.write(data[start : start + 100_000])
            self.close_connection = True
            return
        self.wfile.write(data[start:])

    def _json(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    files = {file.name: file.read_bytes() for file in starter.model_path().iterdir() if file.is_file()}
    made = Hub({**files, "pytorch_model.bin": b"pickle", "onnx/model.safetensors": b"other", "modeling.py": b"code"})
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))  # where a token would be
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield made
    made.ended.set()
    made.shutdown()
    made.server_close()


def unheard(progress: Progress) -> None:
    """Nobody looks."""


@pytest.mark.parametrize(
    ("name", "so"),
    [
        ("cheese/brie-instruct", True),
        ("cheese/brie-instruct@v1", True),
        (f"cheese/brie-instruct@{COMMIT}", True),
        ("brie", False),
        ("./cheese/brie", False),
        ("/models/cheese", False),
        ("~/cheese", False),
        ("a/b/c", False),
        ("../brie", False),
    ],
)
def test_what_names_a_model_of_a_hub(name: str, so: bool) -> None:
    assert is_id(name) == so


def test_a_folder_of_that_name_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cheese" / "brie").mkdir(parents=True)
    assert not is_id("cheese/brie")


def test_a_model_is_downloaded_once_without_code_and_pickles_and_is_a_base(there: Hub, tmp_path: Path) -> None:
    seen: list[Progress] = []
    name = f"{MODEL}@v1"
    assert folder(name, tmp_path / "data") is None
    found = fetch(name, tmp_path / "data", tell=seen.append)
    assert folder(name, tmp_path / "data") == found
    names = {file.name for file in found.rglob("*")}
    assert "model.safetensors" in names
    assert not names & {"pytorch_model.bin", "onnx", "modeling.py"}
    assert seen[-1].done == seen[-1].total > 1_000_000
    assert "GB" in seen[-1].words
    made = open_base(found, practice=False, cache=tmp_path / "fingerprints.json")
    theirs = open_base(starter.model_path(), practice=True, cache=tmp_path / "fingerprints.json")
    assert made.fingerprint == theirs.fingerprint


def test_a_name_without_a_revision_stays_at_the_commit_that_it_led_to(there: Hub, tmp_path: Path) -> None:
    assert fetch(MODEL, tmp_path, tell=unheard).name == COMMIT
    there.commit = "b" * 40  # main has moved on
    shutil.rmtree(tmp_path / "models")
    assert folder(MODEL, tmp_path) is None
    assert fetch(MODEL, tmp_path, tell=unheard).name == COMMIT
    assert fetch(MODEL, tmp_path / "another home", tell=unheard).name == "b" * 40


def test_a_home_that_was_copied_uses_its_own_files_and_asks_no_hub(there: Hub, tmp_path: Path) -> None:
    found = fetch(MODEL, tmp_path / "old" / "data", tell=unheard)
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    copied = folder(MODEL, tmp_path / "new" / "data")
    assert copied == tmp_path / "new" / found.relative_to(tmp_path / "old")
    shutil.rmtree(tmp_path / "old")
    assert folder(MODEL, tmp_path / "new" / "data") == copied


def test_a_record_of_an_earlier_version_is_read(there: Hub, tmp_path: Path) -> None:
    found = fetch(f"{MODEL}@v1", tmp_path, tell=unheard)
    old = {f"{MODEL}@v1": {"commit": COMMIT, "folder": str(tmp_path / "elsewhere")}}
    (tmp_path / "hub.json").write_text(json.dumps(old))
    assert folder(f"{MODEL}@v1", tmp_path) == found


def cut(model: str, state: Path, *, at: int = 4_000_000) -> None:
    """A download that is ended on its way, as with Ctrl+C."""

    def leave(progress: Progress) -> None:
        if progress.done >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(model, state, tell=leave)


def test_a_download_that_was_cut_goes_on_at_its_commit_though_the_branch_moved(there: Hub, tmp_path: Path) -> None:
    there.stop_at = 5_000_000
    cut(MODEL, tmp_path)
    assert folder(MODEL, tmp_path) is None
    there.stop_at, there.commit = None, "b" * 40
    assert fetch(MODEL, tmp_path, tell=unheard).name == COMMIT
    assert [kept.name for kept in (tmp_path / "models" / MODEL).iterdir()] == [COMMIT]
    assert len(there.ranges) == 1


def index_of(*shards: str) -> bytes:
    """As a model in shards says which tensor lies in which."""
    return json.dumps({"weight_map": {f"layer{number}": shard for number, shard in enumerate(shards)}}).encode()


SHARDS = {f"model-0000{number}-of-00002.safetensors": b"x" * 10 for number in (1, 2)}
CONSOLIDATED = {"consolidated.safetensors": b"the same weights", "consolidated-00001.safetensors": b"again"}


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        (
            {"model.safetensors.index.json": index_of(*SHARDS), **SHARDS, **CONSOLIDATED, "extra.safetensors": b"e"},
            SHARDS,
        ),
        ({"model.safetensors": b"w", **CONSOLIDATED}, {"model.safetensors"}),
        ({"model.safetensors.index.json": index_of("gone.safetensors"), **SHARDS}, SHARDS),
        ({"model.safetensors.index.json": b"[]", **SHARDS}, SHARDS),
        (CONSOLIDATED, CONSOLIDATED),
    ],
    ids=["index", "one file", "an index of files that are not there", "no index", "nothing else"],
)
def test_weights_are_taken_once(there: Hub, tmp_path: Path, files: dict[str, bytes], taken: Iterable[str]) -> None:
    there.files = {"config.json": b"{}", **files}
    seen: list[Progress] = []
    found = fetch(MODEL, tmp_path, tell=seen.append)
    assert {file.name for file in found.glob("*.safetensors")} == set(taken)
    assert seen[-1].total == sum(file.stat().st_size for file in found.iterdir())


def test_a_download_that_was_ended_goes_on_where_it_stopped(there: Hub, tmp_path: Path) -> None:
    there.stop_at = 5_000_000
    cut(MODEL, tmp_path)
    assert folder(MODEL, tmp_path) is None
    there.stop_at = None
    found = fetch(MODEL, tmp_path, tell=unheard)
    (again,) = there.ranges
    assert int(again.removeprefix("bytes=").removesuffix("-")) >= 4_000_000 - 500_000  # small files came before it
    weights = (found / "model.safetensors").read_bytes()
    assert weights == (starter.model_path() / "model.safetensors").read_bytes()


@pytest.mark.parametrize("times", [1, 9])
def test_a_connection_that_is_lost_is_made_anew_a_few_times(
    there: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(hub, "_AGAIN_S", (0.0, 0.0))
    there.losses = times
    files = [hub._File("model.safetensors", len(there.files["model.safetensors"]), "")]
    pattern = f"{there.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", pattern)
    if times == 9:
        with pytest.raises(httpx.TransportError):
            hub._take(MODEL, COMMIT, files, tmp_path)
        return
    found = hub._take(MODEL, COMMIT, files, tmp_path)
    weights = (Path(found["folder"]) / "model.safetensors").read_bytes()
    assert weights == there.files["model.safetensors"]
    assert len(there.ranges) == 1


def test_a_file_that_comes_damaged_is_refused_and_not_kept(there: Hub, tmp_path: Path) -> None:
    there.hashes["model.safetensors"] = "0" * 64
    with pytest.raises(SetupError, match=r"broke off \(model.safetensors came damaged\)"):
        fetch(MODEL, tmp_path, tell=unheard)
    assert folder(MODEL, tmp_path) is None
    there.hashes["model.safetensors"] = hashlib.sha256(there.files["model.safetensors"]).hexdigest()
    assert fetch(MODEL, tmp_path, tell=unheard).is_dir()


@pytest.mark.parametrize("gated", ["/api/", f"/{MODEL}/resolve/"], ids=["nothing is said of it", "it is listed"])
def test_a_gated_model_names_its_remedy_and_a_token_opens_it(
    there: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gated: str
) -> None:
    there.gated = (gated,)
    remedy = rf"is gated: open {there.url}/{MODEL}, accept its terms .* HF_TOKEN"
    with pytest.raises(SetupError, match=remedy):
        fetch(MODEL, tmp_path, tell=unheard)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 30)
    assert fetch(MODEL, tmp_path, tell=unheard).is_dir()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cheese/no-such", "There is no model cheese/no-such at .*, or it is private"),
        (f"{MODEL}@v9", "has no revision v9"),
    ],
)
def test_what_is_not_there_is_named(there: Hub, tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(SetupError, match=says):
        fetch(name, tmp_path, tell=unheard)


def test_without_a_way_to_the_hub_a_folder_is_asked_for(
    there: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SetupError, match="give --model a folder"):
        fetch(MODEL, tmp_path, tell=unheard)


def test_a_command_with_an_app_of_its_own_keeps_the_model_in_the_home_that_it_was_given_in(
    there: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    flags = own_app.from_hub(f"{MODEL}@v1", told.append)
    assert flags == ["--model", str(folder(f"{MODEL}@v1", tmp_path / "data"))]
    assert told[-1].startswith(f"{MODEL}@v1: 0.01 of 0.01 GB")
    asked = len(there.asked)
    monkeypatch.setenv("FTCHAT_MODEL", f"{MODEL}@v1")
    assert own_app.from_hub(None, told.append) == flags
    assert own_app.from_hub(str(tmp_path), told.append) == []
    assert len(there.asked) == asked


def test_a_record_that_cannot_be_read_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / hub._RECORD).write_text("{")
    assert folder(MODEL, tmp_path) is None


def test_the_app_says_how_far_the_model_is_and_then_is_there(there: Hub, tmp_path: Path) -> None:
    port = free_port()
    script = str(Path(__file__).with_name("stand_in.py"))
    engine = subprocess.Popen([sys.executable, script, str(port), "{}"], stdout=subprocess.DEVNULL)
    app = Running(tmp_path / "home", "--engine-url", f"http://127.0.0.1:{port}", "--model", f"{MODEL}@v1")
    there.stop_at = 5_000_000
    try:
        app.start()
        waiting = wait_for(lambda: resolving(app), what="the progress", within_s=30)
        assert waiting == {"ready": False, "stage": "resolving", "reason": "The model is downloaded: 0.00 of 0.01 GB."}
        status, page = asked(app, "/", "text/html")
        assert (status, "The model is on its way" in page, "0.00 of 0.01 GB" in page) == (503, True, True)
        status, told = asked(app, "/v1/models", "application/json")
        assert (status, json.loads(told)["error"]["type"]) == (503, "EngineNotReady")
        second_start_is_refused(app)
        there.stop_at = None
        there.ended.set()
        app.until_ready()
        assert app.get("/v1/models")["data"][0]["id"] == "champion"
    finally:
        app.stop()
        engine.kill()
        engine.wait()


def second_start_is_refused(app: Running) -> None:
    """A second start on the home is refused while the first still downloads, and adds nothing to its files."""
    line = [sys.executable, str(ROOT / "app.py"), "--open", "--home", str(app.home), "--port", "0", *app.flags]
    second = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (second.returncode, second.stdout) == (3, "")
    assert f"The home {app.home} is in use by ftchat with process id" in second.stderr


def asked(app: Running, path: str, kind: str) -> tuple[int, str]:
    """What a browser or a program is told."""
    answer = httpx.get(app.url + path, headers={"Accept": kind}, trust_env=False)
    return answer.status_code, answer.text


def resolving(app: Running) -> dict[str, object] | None:
    """What /readyz says, once it knows the size."""
    found: dict[str, object] = json.loads(asked(app, "/readyz", "application/json")[1])
    return found if "GB" in str(found["reason"]) else None
