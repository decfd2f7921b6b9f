"""What `ftchat doctor` finds: each thing by name, with a remedy where there is one, and an exit status that tells."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running import ROOT
from stand_in import StandIn

from ftchat import sizing, starter
from ftchat.config import Settings
from ftchat.doctor import asked, examine, here, looked
from ftchat.errors import SetupError
from ftchat.install.machine import Finding
from ftchat.install.python import supported
from ftchat.launch import free_port
from ftchat.lease import Lease
from ftchat.store import Store

NAMES = (
    *("system", "processor", "python", "packages", "vllm", "torch", "device", "model", "memory", "home", "database"),
    *("adapters", "disk", "shared memory", "open files", "port", "engine", "schedule", "webhook"),
    *("sqlite", "browser"),
)


def found(settings: Settings, **environ: str) -> dict[str, Finding]:
    return {check.name: check.finding for check in examine(settings, environ or os.environ)}


def doctor(*flags: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ftchat.cli", "doctor", *flags], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_machine_on_which_the_tests_run_has_nothing_to_mend(tmp_path: Path) -> None:
    seen = found(Settings(home=tmp_path / "new", port=free_port()))
    assert tuple(seen) == NAMES
    assert {name: finding.what for name, finding in seen.items() if finding.level == "error"} == {}
    assert seen["home"].what == f"{tmp_path / 'new'} is made at the first start"
    assert seen["model"].what.startswith("the practice model: weights ")
    assert seen["memory"].what.startswith("The engine needs about ")
    assert "and the trainer about " in seen["memory"].what
    assert not (tmp_path / "new").exists()


def test_the_command_prints_json_and_its_status_tells_of_errors(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, text = doctor("--json", "--home", str(tmp_path), "--port", port)
    told = json.loads(text)
    assert (status, told["ok"]) == (1, False)
    assert [check["name"] for check in told["checks"]] == list(NAMES)
    by_name = {check.pop("name"): check for check in told["checks"]}
    assert by_name["port"] == {
        "level": "error",
        "says": f"127.0.0.1:{port} cannot be listened on (Address already in use)",
        "remedy": "end what listens there, or give --port another",
    }


def test_the_command_prints_words_and_imports_nothing_that_takes_seconds(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom ftchat.cli import main\n"
        f"try: main(['doctor', '--home', {str(tmp_path)!r}, '--port', '{free_port()}'])\n"
        "except SystemExit as end: status = end.code\n"
        "heavy = {'torch', 'vllm', 'transformers', 'gradio', 'peft'} & set(sys.modules)\n"
        "print(status, sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "0 []"
    assert [line[:14].strip() for line in lines if line[:1].islower()] == list(NAMES)
    assert lines[-2] == "Everything is well." or lines[-2].startswith("0 to mend")


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("schedule", "at night", "no cron expression"),
        ("schedule_effort", "hard", "use quick"),
        ("webhook", "me", "http"),
    ],
)
def test_what_would_end_the_start_is_an_error(tmp_path: Path, setting: str, value: str, says: str) -> None:
    fine = found(Settings(home=tmp_path, schedule="0 3 * * *", webhook="https://hooks.example.org/secret"))
    assert (fine["schedule"].level, fine["schedule"].what) == ("ok", "0 3 * * *, with effort normal")
    assert (fine["webhook"].level, fine["webhook"].what) == (
        "ok",
        "hooks.example.org is told of runs that have ended",
    )
    wrong = found(Settings(home=tmp_path, **{setting: value}))["webhook" if setting == "webhook" else "schedule"]
    assert (wrong.level, says in wrong.what) == ("error", True)


def test_a_setting_that_cannot_be_is_said_as_by_every_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ftchat.cli", "doctor", "--home", str(tmp_path), "--max-loras", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ftchat: max_loras is 1: it must be between 2 and 64, or 0 to have it computed.\n"


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 10, 9), "error"), ((3, 11, 0), "ok"), ((3, 14, 2), "ok"), ((3, 15, 0), "error")],
)
def test_python_is_one_that_vllm_has_wheels_for(version: tuple[int, int, int], level: str) -> None:
    seen = here.python(version)
    assert seen.level == level
    assert bool(seen.remedy) is (level == "error")


def test_the_versions_of_python_are_those_of_the_project() -> None:
    assert supported((ROOT / "pyproject.toml").read_text(encoding="utf-8")) == here.PYTHONS


def test_packages_are_compared_with_their_ranges() -> None:
    assert here.out_of_range("httpx<1,>=0.28") == ""
    assert here.out_of_range("httpx<0.2,>=0.1").endswith("and ftchat needs <0.2,>=0.1")
    assert here.out_of_range("httpx>=99") != ""
    assert here.out_of_range("no-such-package-here>=1") == "no-such-package-here is missing"


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distribution:
        requires = ("httpx>=99", "gone-package>=1", 'vllm>=99; extra == "gpu"')

    monkeypatch.setattr(here, "distribution", lambda name: Distribution)
    seen = here.packages()
    assert (seen.level, seen.what.split("; ")[1]) == ("error", "gone-package is missing")
    assert "make run" in seen.remedy


def test_a_plugin_that_is_not_registered_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "_PLUGIN", "another_plugin")
    monkeypatch.setattr(here, "flavour", lambda: "cpu")
    seen = here.vllm(Settings())
    assert (seen.level, seen.what.rpartition("; ")[2]) == ("error", "the plugin another_plugin is not registered")


def test_no_vllm_at_all_is_an_error_unless_one_elsewhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise SetupError("vLLM is not installed: install ftchat with its cpu or gpu extra, as `make run` does.")

    monkeypatch.setattr(here, "flavour", gone)
    assert looked(lambda: here.vllm(Settings())).level == "error"
    assert here.vllm(Settings(engine_url=("http://127.0.0.1:1",))).level == "ok"


def test_a_setting_that_makes_answers_wrong_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "flavour", lambda: "cpu")
    assert here.vllm(Settings(cpu_lora=False)).level == "warning"


def test_companions_of_torch_from_another_build_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    has = {"torch": "2.13.0+cpu", "torchvision": "0.28.0", "torchaudio": "2.13.0+cpu"}

    def version(name: str) -> str:
        if name not in has:
            raise here.PackageNotFoundError(name)
        return has[name]

    monkeypatch.setattr(here, "version", version)
    seen = here.torch()
    assert seen == Finding(
        "error",
        "torch 2.13.0+cpu beside torchvision of another build",
        "`pip uninstall torchvision`: vLLM runs without",
    )
    has["torch"] = "2.13.0"
    assert here.torch().level == "ok"


def test_a_gpu_that_is_not_used_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "flavour", lambda: "cpu")
    monkeypatch.setattr(here.machine, "nvidia_gpu", lambda: "GPU 0: NVIDIA H200")
    assert here.device(Settings()).level == "warning"


@pytest.mark.parametrize(
    ("spoil", "level", "says"),
    [
        ("model.safetensors", "error", "no .safetensors file"),
        ("config.json", "error", "no config.json"),
        ("chat_template.jinja", "warning", "has no chat template"),
    ],
)
def test_what_is_wrong_with_a_model_is_named(tmp_path: Path, spoil: str, level: str, says: str) -> None:
    folder = Path(shutil.copytree(starter.model_path(), tmp_path / "model"))
    assert found(Settings(home=tmp_path, model=str(folder)))["model"].level == "ok"
    (folder / spoil).unlink()
    seen = found(Settings(home=tmp_path, model=str(folder)))
    assert (seen["model"].level, says in seen["model"].what) == (level, True)


@pytest.mark.parametrize(
    ("free", "running", "level"),
    [(8.0, False, "ok"), (2.6, False, "warning"), (1.0, False, "error"), (1.0, True, "ok")],
)
def test_memory_is_for_engine_and_trainer_together(
    monkeypatch: pytest.MonkeyPatch, free: float, running: bool, level: str
) -> None:
    has = sizing.Memory(device="cpu", free=int(free * sizing.GIB), total=16 * sizing.GIB)
    monkeypatch.setattr(sizing, "look", lambda device: has)
    seen = asked.memory(Settings(), starter.model_path(), running=running)
    assert seen.level == level
    assert f"{free:.2f} GiB of 16.00 GiB are free" in seen.what


def test_a_model_that_is_not_downloaded_yet_is_no_error(tmp_path: Path) -> None:
    found = {check.name: check.finding for check in examine(Settings(home=tmp_path, model="org/name"), {})}
    assert (found["model"].level, found["model"].what) == ("warning", "org/name is not downloaded yet")
    assert (found["memory"].level, found["memory"].what) == ("warning", "what it takes is known once it is here")


def test_a_home_says_who_uses_it_and_that_is_not_an_error(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "data" / "lease")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        lease.announce(f"http://127.0.0.1:{port}", "key")
        seen = found(Settings(home=tmp_path, port=port))
    assert seen["home"].what == f"{tmp_path} is in use by ftchat with process id {os.getpid()}"
    assert seen["port"] == Finding("ok", f"http://127.0.0.1:{port} is where this home's ftchat listens")
    lease.release()
    assert found(Settings(home=tmp_path))["home"].what == str(tmp_path)


def test_a_home_that_others_may_read_is_a_warning_and_a_new_one_is_not(tmp_path: Path) -> None:
    Lease(tmp_path / "data" / "lease").release()
    assert asked.home(tmp_path).level == "ok"
    (tmp_path / "data").chmod(0o755)
    found = asked.home(tmp_path)
    assert (found.level, found.remedy) == ("warning", f"chmod 700 {tmp_path / 'data'}")


def test_a_home_that_is_a_file_or_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert asked.home(tmp_path / "file").level == "error"
    assert looked(lambda: asked.home(Path("/proc/1/task"))).level == "error"


def test_a_database_is_newest_older_newer_or_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data" / "ftchat.db"
    assert asked.database(path).what == "there is none yet"
    Store(path).close()
    before = path.read_bytes()
    assert asked.database(path) == Finding("ok", "ftchat.db has the newest schema")
    monkeypatch.setattr("ftchat.store.facts.known_steps", lambda: ["m"] * 99)
    assert "is brought up to date at the next start" in asked.database(path).what
    monkeypatch.undo()
    monkeypatch.setattr("ftchat.store.opening.known_steps", list)
    assert "written by a newer ftchat" in looked(lambda: asked.database(path)).what
    monkeypatch.undo()
    assert path.read_bytes() == before
    path.write_bytes(b"not a database" * 1000)
    seen = looked(lambda: asked.database(path))
    assert (seen.level, "file is not a database" in seen.what) == ("error", True)
    path.write_bytes(b"")
    assert "brought up to date" in asked.database(path).what


def test_an_adapter_without_a_readable_manifest_is_a_warning(tmp_path: Path) -> None:
    folder = tmp_path / "adapters" / "shop-v1"
    folder.mkdir(parents=True)
    assert asked.adapters(Settings(home=tmp_path)).what == f"0 in {tmp_path / 'adapters'}"
    (folder / "manifest.json").write_text("{")
    found = asked.adapters(Settings(home=tmp_path))
    assert (found.level, found.remedy) == (
        "warning",
        "put those folders back from a copy of your own, or delete the adapters",
    )


@pytest.mark.parametrize(("free", "level"), [(0.1, "error"), (2, "warning"), (50, "ok")])
def test_disk_space_is_graded(free: float, level: str) -> None:
    assert here.disk(int(free * sizing.GIB)).level == level


def test_shared_memory_that_is_missing_or_small_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert here.shared_memory(tmp_path / "none").level == "warning"
    assert here.shared_memory(tmp_path).level == "ok"
    monkeypatch.setattr(here, "_SHARED_LEAST", 1 << 60)
    assert here.shared_memory(tmp_path).remedy == "in a container: --shm-size=1g"


def test_few_open_files_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 4096))
    assert here.open_files().level == "warning"


def test_an_old_sqlite_is_only_a_note() -> None:
    assert here.sqlite((3, 40, 1)).level == "ok"
    assert "two writing processes" in here.sqlite((3, 51, 2)).what
    assert here.sqlite((3, 51, 3)).what == "SQLite 3.51.3"


def test_a_browser_is_for_the_tests_only(tmp_path: Path) -> None:
    assert here.for_tests({"PATH": "", "HOME": str(tmp_path)}).level == "ok"
    assert here.for_tests({"PATH": "", "FTCHAT_BROWSER": "nowhere"}).level == "warning"


@pytest.fixture
def elsewhere() -> Any:
    """A vLLM of somebody else's."""
    import threading

    server = StandIn(0, {})
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    yield server
    server.shutdown()
    server.server_close()
    serving.join()


def test_engines_elsewhere_are_asked(elsewhere: StandIn) -> None:
    url = f"http://127.0.0.1:{elsewhere.server_address[1]}"
    assert asked.engine(Settings(engine_url=(url,))) == Finding("ok", "1 answer and serve base")
    nobody = f"http://127.0.0.1:{free_port()}"
    assert asked.engine(Settings(engine_url=(url, nobody))).what == f"nothing healthy answers at {nobody}"
    elsewhere.names = {"mine"}
    assert "--served-model-name base" in asked.engine(Settings(engine_url=(url,))).remedy
    elsewhere.key = "secret"
    assert "engine_key" in asked.engine(Settings(engine_url=(url,))).remedy
    assert looked(lambda: asked.engine(Settings(engine_url=("localhost:8000",)))).level == "error"
