"""What vLLM's own lines say: the stage of a start, the cause of an end and what to do about it; and the log's files."""

from pathlib import Path

import pytest
from stand_in import LINES

from ftchat.server_log import Log, Stage, cause_of, stage_after

# Lines as vLLM 0.32 and what it stands on write them.
PORT = """
Traceback (most recent call last):
  File "vllm/entrypoints/openai/api_server.py", line 92, in create_server_socket
    sock.bind(addr)
OSError: [Errno 98] Address already in use
"""
SIGILL = """
(EngineCore pid=30885) ERROR 11-21 02:35:00 [multiproc_executor.py:315] Worker proc VllmWorker-0 died unexpectedly \
(exit code: -4), shutting down executor.
(EngineCore pid=30885) ERROR 11-21 02:35:00 [core.py:1512] EngineCore encountered a fatal error.
(EngineCore pid=30885) ERROR 11-21 02:35:00 [core.py:1512] RuntimeError: Executor failed.
(APIServer pid=30826) ERROR 11-21 02:35:00 [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: EngineCore \
encountered an issue. See stack trace (above) for the root cause.
"""
KV = """
(Worker pid=3) ERROR 11-21 02:10:05 [core.py:946] ValueError: Available memory on node 0 (1.2/23.54 GiB) on kv cache \
allocation is less than requested memory for kv (4.0 GiB). Decrease --kv-cache-memory-bytes, VLLM_CPU_KVCACHE_SPACE, \
or reduce CPU memory used by other processes.
"""
LENGTH = """
ValueError: To serve at least one request with the model's max seq len (32768), (0.38 GiB KV cache is needed, which \
is larger than the available KV cache memory (0.25 GiB). Based on the available memory, the estimated maximum model \
length is 21760. Try increasing `gpu_memory_utilization`
"""
GPU = "ValueError: Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU memory utilization"
RANK = "api_server.py: error: argument --max-lora-rank: invalid choice: 33 (choose from 1, 8, 16, 32, 64, 128, 256)"
RANK_OF_ADAPTER = "ValueError: LoRA rank 64 is greater than max_lora_rank 16."
SHARD = "(Worker pid=3) ERROR ValueError: Following weights were not initialized from checkpoint: {'lm_head.weight'}"
SHARD_GONE = 'FileNotFoundError: No such file or directory: "/models/x/model-00002-of-00002.safetensors"'
PICKLE = "RuntimeError: Cannot find any model weights with `/models/x`"
LONGER = "ValueError: User-specified max_model_len (9) is greater than the derived max_model_len (max_position=8)."
FAMILY = "ValueError: Model architectures ['BertModel'] are not supported for now. Supported architectures: ..."
CUDA = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB"
SHM = "(EngineCore pid=2) ERROR [multiproc_executor.py:315] Worker proc VllmWorker-0 died unexpectedly (exit code: -7)"
KILLED = "ERROR [multiproc_executor.py:315] Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down"


@pytest.mark.parametrize(
    ("text", "status", "says", "does", "lasting"),
    [
        (PORT, 1, "port was taken", "Start ftchat again", False),
        (SIGILL, 1, "processor refused an instruction", "Leave cpu_lora on", False),
        ("", 132, "processor refused an instruction", "Leave cpu_lora on", False),
        (KV, 1, "not enough free memory", "Lower kv_cache_gib", False),
        (LENGTH, 1, "not enough free memory", "or context_length", False),
        (GPU, 1, "not enough free memory", "end other programs", False),
        (CUDA, 1, "not enough free memory", "choose a smaller model", False),
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes", 1, "memory", "smaller", False),
        (KILLED, 1, "killed from outside", "End other programs", False),
        ("", 137, "killed from outside", "End other programs", False),
        (SHM, 1, "shared memory ran out", "--shm-size=1g", False),
        ("", 135, "shared memory ran out", "--shm-size=1g", False),
        (RANK, 2, "rank is larger than max_lora_rank", "Set it to 64", True),
        (RANK_OF_ADAPTER, 1, "rank is larger than max_lora_rank", "Set it to 64", True),
        (SHARD, 1, "incomplete or inconsistent", "Copy or download the model again", True),
        (SHARD_GONE, 1, "incomplete or inconsistent", "Copy or download the model again", True),
        (PICKLE, 1, "no weights in safetensors files", "Convert them", True),
        ("safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge", 1, "damaged", "", True),
        ("OSError: [Errno 28] No space left on device: '/tmp/x'", 1, "disk is full", "free some space", False),
        (LONGER, 1, "longer than this model allows", "Lower it, or leave it at 0", True),
        (FAMILY, 1, "cannot serve this family", "Choose another model", True),
        ("/usr/bin/python: No module named vllm", 1, "installation is incomplete", "Install ftchat again", True),
        (
            "(EngineCore pid=7) ERROR 11-21 02:10:05 [core.py:3] KeyError: 'x'",
            1,
            "last error: KeyError: 'x'",
            "",
            False,
        ),
        ("INFO all is well", 3, "gave no reason (exit status 3)", "", False),
        ("INFO all is well", None, "gave no reason.", "", False),
    ],
)
def test_a_cause_is_a_sentence_with_a_remedy(
    text: str, status: int | None, says: str, does: str, lasting: bool
) -> None:
    found = cause_of(["INFO begin", *text.replace("\\\n", "").splitlines()], status)
    assert says in found.sentence
    assert does in found.sentence
    assert found.lasting is lasting


def test_warnings_of_a_start_that_went_well_are_no_cause() -> None:
    warning = (
        "(APIServer pid=1) WARNING 11-21 04:09:45 [system_utils.py:255] Found ulimit of 20000 and failed to "
        "automatically increase with error current limit exceeds maximum limit. This can cause fd limit errors like "
        "`OSError: [Errno 24] Too many open files`. Consider increasing with ulimit -n"
    )
    assert cause_of([warning, *LINES], 137).sentence.startswith("One of its processes was killed from outside")


def test_the_last_error_is_the_one_that_says_something() -> None:
    lines = [
        "ERROR KeyError: 'x'",
        'ERROR   File "a.py"',
        "EngineDeadError: See stack trace (above) for the root cause.",
    ]
    assert cause_of(lines, 1).sentence == "Its last error: ERROR KeyError: 'x'"


def test_a_start_only_goes_forward() -> None:
    stages: list[Stage] = ["starting"]
    for line in (*LINES, *LINES):
        stages.append(stage_after(line, stages[-1]))
    assert stages == [
        *("starting", "resolving", "resolving", "loading weights", "warming up", "warming up"),
        *["warming up"] * 5,
    ]
    for later in ("loading adapters", "ready", "restarting", "failed", "stopped"):
        assert stage_after(LINES[2], later) == later


def test_the_log_has_a_bounded_size_and_three_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftchat.server_log._ROTATE_BYTES", 50)
    log = Log(tmp_path / "engine.log", secret="hush")
    log.begin()
    for number in range(40):
        log.add(f"line {number:02} with hush in it")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engine.log", "engine.log.1", "engine.log.2"]
    text = "".join((tmp_path / f"engine.log{end}").read_text() for end in (".2", ".1", ""))
    assert text.splitlines() == [f"line {number:02} with *** in it" for number in range(40 - text.count("\n"), 40)]
    assert len(log.lines) == 40
    log.begin()
    log.add("after a restart")
    assert log.last() == "after a restart"
    assert (tmp_path / "engine.log").read_text().count("\n") == 2


def test_a_log_on_a_full_disk_says_so_goes_on_and_recovers(tmp_path: Path) -> None:
    (tmp_path / "engine.log").symlink_to("/dev/full")
    log = Log(tmp_path / "engine.log", secret="s3cret")
    log.begin()
    log.add("a line")
    assert log.last() == "a line"
    assert log.trouble == (
        "The engine's log cannot be written (No space left on device): free some space on that disk."
    )
    (tmp_path / "engine.log").unlink()
    log.add("another")
    assert (log.trouble, (tmp_path / "engine.log").read_text()) == ("", "another\n")


def test_a_log_without_a_folder_says_so(tmp_path: Path) -> None:
    log = Log(tmp_path / "missing" / "engine.log", secret="s3cret")
    log.begin()
    log.add("a line")
    assert log.last() == "a line"
    assert "cannot be written (No such file or directory)" in log.trouble
