"""What the app answers before there is an app: while a model is downloaded, on the same port.

`/healthz` says that it lives, `/readyz` the stage `resolving` and how far it is, everything else that it comes. It
shows nothing of the home. It does not know where the model comes from.
"""

from collections.abc import Callable
from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width"><title>ftchat</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; margin: 20vh auto; max-width: 32rem; padding: 0 1rem }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: #eee }} }}</style></head>
<body><main><h1>The model is on its way</h1><p role="status">{said}</p>
<p>This page looks again by itself. What is here stays here: ftchat may be ended and started again.</p></main></body>
</html>"""


def arriving(said: Callable[[], str]) -> Starlette:
    """An app that says how far it is."""

    async def alive(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        return JSONResponse({"ready": False, "stage": "resolving", "reason": said()}, 503, {"Retry-After": "5"})

    async def other(request: Request) -> Response:
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(_PAGE.format(said=escape(said())), 503, {"Retry-After": "3"})
        error = {"type": "EngineNotReady", "message": said()}
        return JSONResponse({"error": error}, 503, {"Retry-After": "5"})

    routes = [Route("/healthz", alive), Route("/readyz", ready), Route("/{path:path}", other, methods=_METHODS)]
    return Starlette(routes=routes)
