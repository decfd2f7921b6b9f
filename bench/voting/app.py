"""ftchat without its pages, over a real store, its engine scripted as in the tests; it ends with whoever started it.

Run: `python -m bench.voting.app HOME PORT`
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class App:
    """The app as a child process; it can be killed and started again on the same port."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Spawn it; it answers a moment later."""
        command = [sys.executable, "-m", "bench.voting.app", str(self.home), str(self.port)]
        environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
        with (self.home / "app.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=ROOT, env=environ
            )

    def kill(self) -> None:
        """SIGKILL, as the out-of-memory killer would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdin is not None
            self.process.stdin.close()

    def log_end(self) -> str:
        """The last of what it said."""
        return (self.home / "app.log").read_text(errors="replace")[-2000:]


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main(home: Path, port: int) -> None:
    """Serve until killed."""
    sys.path.insert(0, str(ROOT / "tests"))
    import uvicorn
    from room import Room

    from ftchat import web

    threading.Thread(target=_end_with_parent, daemon=True).start()
    room = Room(home)
    room.store.turns.cut_unfinished()
    uvicorn.run(web.build(room.parts), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
