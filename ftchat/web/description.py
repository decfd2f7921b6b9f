"""The OpenAPI description at /openapi.json: what FastAPI knows of the routes, with every refusal and how to log in.

Who may see it is who may see anything here. It does not know what the routes do.
"""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from ftchat.web.common import Viewer
from ftchat.web.shapes import ErrorOut

router = APIRouter()
_ABOUT = """What the pages of ftchat do, programs can do too. Every refusal is `{"error": {"type", "message"}}` with a
sentence that says what to do. Under an `Idempotency-Key` a POST is done once, however often it is sent. One example of
each call is in ftchat/web/API.md."""
_TAGS = {
    "turns": "ask, compare, read back",
    "judging": "votes, thumbs, corrections and redrafts",
    "sessions": "lists of questions that are answered ahead, to be judged one after the other",
    "feedback": "the queue of review, and files of feedback",
    "pins": "what must still be answered, whatever is taught",
    "runs": "retraining",
    "adapters": "what was trained, and who is in service",
    "leaderboard": "who is better, and how sure that is",
    "lineage": "what was made from what, and leaving someone out",
    "accounts": "people, tokens and logins",
    "openai": "for any client of OpenAI's API",
    "health": "for load balancers and Prometheus",
}
_REFUSALS = {
    400: "What was sent cannot be used",
    401: "Nobody knows who is asking",
    403: "This role may not do that",
    404: "No such thing, or not yours",
    409: "It cannot be done in the present state",
    413: "More than is taken in one request",
    429: "Too much at once; Retry-After says when to come back",
    502: "The engine could not answer",
    503: "The engine is not ready; Retry-After says when to come back",
}
_LOGINS = {
    "token": {"type": "http", "scheme": "bearer", "description": "ftchat tokens create --role admin"},
    "login": {"type": "apiKey", "in": "cookie", "description": "the pages' own login"},  # its name is the app's
}


@router.get("/openapi.json", include_in_schema=False)
def description(request: Request, who: Viewer) -> dict[str, Any]:
    """This description."""
    app: FastAPI = request.app
    return app.openapi()


class Described(FastAPI):
    """A FastAPI app whose description is complete."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _described(self)
        return self.openapi_schema


def name_of(route: APIRoute) -> str:
    """What a call is known by in clients that are made from the description."""
    tag = str(route.tags[0]) if route.tags else "api"
    return f"{tag}_{route.name.rstrip('_')}"


def _described(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title=app.title,
        version=app.version,
        description=" ".join(_ABOUT.split()),
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
    )
    parts = made.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    error = ErrorOut.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= error.pop("$defs") | {"ErrorOut": error}
    parts["securitySchemes"] = {**_LOGINS, "login": {**_LOGINS["login"], "name": app.state.parts.cookie}}
    for path, calls in made["paths"].items():
        for call in calls.values():
            _complete(call, guarded=path.startswith(("/api", "/v1")))
    return made


def _complete(call: dict[str, Any], *, guarded: bool) -> None:
    """A call's summary is the first sentence of its description; refusals are 400, never 422."""
    first, dot, _ = str(call.get("description", "")).partition(". ")
    call["summary"] = (first if dot else first.rstrip(".")) or call.get("summary", "")
    call["responses"].pop("422", None)
    if guarded:
        call["security"] = [{name: []} for name in _LOGINS]
        body = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOut"}}}
        for status, what in _REFUSALS.items():
            call["responses"].setdefault(str(status), {"description": what, "content": body})
