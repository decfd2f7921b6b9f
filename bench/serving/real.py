"""A real vLLM as ftchat starts it, and vLLM's own serving benchmark against it, directly or through ftchat.

Run by itself (`python -m bench.serving.real`) it is the benchmark: each line of its input is a run, each line of its
output the figures of one. So that the import, which takes many seconds, is paid once.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from ftchat.config import Settings
from ftchat.engine import Endpoint
from ftchat.server import Server

ROOT = Path(__file__).resolve().parents[2]
START_S = 300


class Engine:
    """A managed vLLM, ready; on a loop in a thread of its own, which watches it."""

    def __init__(self, model: Path, folder: Path, *, settings: Settings | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        wanted = settings or Settings(home=folder, max_loras=2, max_cpu_loras=8, kv_cache_gib=0.5)
        self._server = Server(wanted, base=model, state_dir=folder / "engine")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(START_S)

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens, and its key."""
        return self._server.endpoint

    def end(self) -> None:
        """End it with all its processes."""
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Benchmark:
    """vLLM's serving benchmark as a child that is asked for one run after another."""

    def __init__(self, model: Path, prompts: Sequence[str], *, folder: Path, tokens: int) -> None:
        self._model, self._tokens, self._prompts = model, tokens, len(prompts)
        self._rows = folder / f"prompts-{model.name}.jsonl"
        self._rows.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
        self._log = folder / "benchmark.log"
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "bench.serving.real"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
                text=True,
            )

    def run(self, url: str, *, key: str = "", at_once: int) -> dict[str, Any]:
        """Ask everything, so many at once; what the benchmark found."""
        line = ["--backend", "openai-chat", "--base-url", url, "--endpoint", "/v1/chat/completions"]
        line += ["--model", str(self._model), "--served-model-name", "base", "--dataset-name", "custom"]
        line += ["--dataset-path", str(self._rows), "--skip-chat-template", "--custom-output-len", str(self._tokens)]
        line += ["--num-prompts", str(self._prompts), "--max-concurrency", str(at_once), "--temperature", "0"]
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps({"line": [*line, "--disable-tqdm", "--seed", "0"], "key": key}) + "\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        if not answer:
            raise RuntimeError(f"The benchmark ended.\n{self._log.read_text(errors='replace')[-2000:]}")
        found: dict[str, Any] = json.loads(answer)
        if found["failed"] or found["completed"] != self._prompts:
            raise RuntimeError(
                f"{found['failed']} of {self._prompts} requests failed.\n{self._log.read_text()[-2000:]}"
            )
        return found

    def end(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            assert stream is not None
            stream.close()


def main() -> None:
    """Run what each line of the input says."""
    results = sys.stdout
    with redirect_stdout(sys.stderr):
        from vllm.benchmarks import serve
        from vllm.utils.argparse_utils import FlexibleArgumentParser

        parser = FlexibleArgumentParser()
        serve.add_cli_args(parser)
        for asked in sys.stdin:
            run = json.loads(asked)
            os.environ["OPENAI_API_KEY"] = run["key"]
            found = serve.main(parser.parse_args(run["line"]))
            kept = ("completed", "failed", "duration", "total_output_tokens", "output_throughput", "median_ttft_ms")
            print(json.dumps({name: found[name] for name in kept}), file=results, flush=True)


if __name__ == "__main__":
    main()
