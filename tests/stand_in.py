"""A stand-in for vLLM as a process: speaks its lines and its HTTP, and fails as it is told. Standard library only.

Run: python tests/stand_in.py PORT '{"lives": 600}'. Files that appear in the folder `flags` change it while it runs:
`hang` (no completion is answered any more, health stays), `sick` (health says 503), `silent` (nothing is answered).
"""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LINES = (
    "(APIServer pid=1) INFO 11-21 04:09:45 [api_utils.py:286] non-default args: {'host': '127.0.0.1'}",
    "(APIServer pid=1) INFO 11-21 04:09:45 [model.py:733] Resolved architecture: LlamaForCausalLM",
    "(Worker pid=3) INFO 11-21 04:09:56 [cpu_model_runner.py:68] Starting to load model /models/x...",
    "(Worker pid=3) INFO 11-21 04:09:56 [default_loader.py:501] Loading weights took 0.01 seconds",
    "(EngineCore pid=2) INFO 11-21 04:09:57 [core.py:402] init engine (profile, create kv cache) took 0.38 s",
)


class StandIn(ThreadingHTTPServer):
    """`how`: lives (seconds), lines, status or signal (how it ends after its lines), pace (seconds a word), words,
    refuses (models that it serves and does not answer for), flags (a folder), children (how many),
    when_sick (a line that it says then)."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, how: dict[str, object]) -> None:
        self.how = how
        self.names = {"base"}
        self.flags = Path(str(how.get("flags", "/nonexistent")))
        self.key = os.environ.get("VLLM_API_KEY", "")
        super().__init__(("127.0.0.1", port), Answer)

    def flag(self, name: str) -> bool:
        return (self.flags / name).exists()


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def log_message(self, *_: object) -> None:
        """Silent, as vLLM is with --disable-uvicorn-access-log."""

    def do_GET(self) -> None:
        self._wait_while("silent")
        if self.path == "/health":
            sick = self.server.flag("sick")
            if sick and "when_sick" in self.server.how:
                print(self.server.how["when_sick"], flush=True)
            self._say(503 if sick else 200)
        elif self._known():
            self._say(200, {"data": [{"id": name} for name in sorted(self.server.names)]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._wait_while("silent")
        if not self._known():
            return
        if self.path == "/v1/load_lora_adapter":
            self.server.names.add(body["lora_name"])
            self._say(200)
        elif self.path == "/v1/unload_lora_adapter":
            self._say(200 if body["lora_name"] in self.server.names else 404)
            self.server.names.discard(body["lora_name"])
        elif body["model"] not in self.server.names:
            self._say(404, {"error": {"message": "no such model", "param": "model"}})
        elif body["model"] in self.server.how.get("refuses", ()):  # type: ignore[operator]
            self._say(500, {"error": {"message": "the flux ran out"}})
        else:
            self._wait_while("hang")
            self._stream(body)

    def _known(self) -> bool:
        if self.server.key and self.headers["Authorization"] != f"Bearer {self.server.key}":
            self._say(401, {"error": "Unauthorized"})
            return False
        return True

    def _wait_while(self, flag: str) -> None:
        while self.server.flag(flag):
            time.sleep(0.01)

    def _stream(self, body: dict[str, object]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        words = min(int(str(self.server.how.get("words", 1))), int(str(body["max_tokens"])))
        try:
            for number in range(words):
                time.sleep(float(str(self.server.how.get("pace", 0.0))))
                self._event({"text": f"{body['model']} ", "finish_reason": "length" if number == words - 1 else None})
            self._chunk("data: [DONE]\n\n")
            self._chunk("")
        except OSError:
            self.close_connection = True  # the reader is gone

    def _event(self, choice: dict[str, object]) -> None:
        self._chunk(f"data: {json.dumps({'choices': [choice]})}\n\n")

    def _chunk(self, text: str) -> None:
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())

    def _say(self, status: int, body: object = "") -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    port, how = int(sys.argv[1]), json.loads(sys.argv[2])
    for _ in range(how.get("children", 0)):
        subprocess.Popen(["sleep", "300"])
    print("key is", os.environ.get("VLLM_API_KEY"), flush=True)
    for line in how.get("lines", LINES):
        print(line, flush=True)
        time.sleep(float(how.get("line_s", 0.0)))
    if "signal" in how:
        os.kill(os.getpid(), how["signal"])
    if "status" in how:
        sys.exit(how["status"])
    server = StandIn(port, how)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    time.sleep(how.get("lives", 600))


if __name__ == "__main__":
    main()
