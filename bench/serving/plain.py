"""What a few lines of gradio give: a gr.ChatInterface that streams from an engine, to compare ftchat's pages with.

Run: python -m bench.serving.plain PORT ENGINE_URL
"""

import json
import os
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
import httpx


def build(engine: str) -> gr.ChatInterface:
    """One answer at a time per person, any number of people."""
    client = httpx.AsyncClient(base_url=engine, timeout=600, limits=httpx.Limits(max_connections=None))

    async def answer(message: str, history: list[Any]) -> AsyncIterator[str]:
        body = {"model": "base", "messages": [{"role": "user", "content": message}], "stream": True}
        text = ""
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {") and (choices := json.loads(line[6:])["choices"]):
                    text += choices[0]["delta"].get("content") or ""
                    yield text

    return gr.ChatInterface(answer, concurrency_limit=None, api_name="chat")


def main(port: int, engine: str) -> None:
    """Serve until the standard input ends."""
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    build(engine).launch(server_name="127.0.0.1", server_port=port, quiet=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
