"""The app's API as a measurement uses it: what is refused ends it."""

import json
import sys
import time
from typing import Any

import httpx


def tell(line: str) -> None:
    """What goes on, beside the figures."""
    print(line, file=sys.stderr, flush=True)


class Api:
    """The app's API; what it refuses ends the measurement."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str) -> Any:
        return self._of(await self.client.get(path))

    async def post(self, path: str, body: Any = None, *, content: bytes | None = None) -> Any:
        return self._of(await self.client.post(path, json=body, content=content))

    def _of(self, answer: httpx.Response) -> Any:
        if answer.is_error:
            raise RuntimeError(f"{answer.request.method} {answer.request.url.path}: {answer.text[:300]}")
        return answer.json()

    async def first_token(self, prompt: str) -> tuple[float, str]:
        """When the champion's first text came, and who that was."""
        body = {"prompt": prompt, "mode": "chat", "contestants": ["champion"], "stream": True}
        came, turn = 0.0, ""
        async with self.client.stream("POST", "/api/turns", json=body) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: ") and (event := json.loads(line[6:])):
                    turn = event.get("turn", turn)
                    came = came or (time.monotonic() if event.get("text") else 0.0)
        return came, (await self.get(f"/api/turns/{turn}"))["lanes"][0]["contestant"]
