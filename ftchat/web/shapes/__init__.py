"""What calls take and give, as OpenAPI describes it. A key that may be missing is missing, never null in its place.

Texts are made storable as they come in: lone surrogates and NUL are replaced. What a value means is checked by the
parts behind; only types are checked here.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


Text = Annotated[str, AfterValidator(_storable)]
Reasons = list[Text]


def shown_as(**example: Any) -> ConfigDict:
    """A model's settings, with one example for the description."""
    return ConfigDict(json_schema_extra={"examples": [example]})


_EVENT = {"event": {"type": "string"}, "data": {"type": "string", "contentMediaType": "application/json"}}
EVENTS: dict[str, Any] = {
    "text/event-stream": {"schema": {"type": "object", "properties": _EVENT, "required": ["data"]}}
}


class ErrorSaid(BaseModel):
    """What went wrong: a stable name, and a sentence that says what to do."""

    type: str
    message: str


class ErrorOut(BaseModel):
    """Every refusal of every call."""

    error: ErrorSaid
