"""What an operation of the OpenAPI document answers.

Rules: pure. What an action says of itself comes from its declarations and the annotation of its result.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import webob

from wsgisrv.api import conditions
from wsgisrv.api.components import Components
from wsgisrv.api.controller import Plan
from wsgisrv.api.listing import page_schema, some_fields_schema
from wsgisrv.api.microversions import HEADER
from wsgisrv.api.redirect import Redirect
from wsgisrv.api.results import File
from wsgisrv.api.serializers import JSON, JSON_LINES, PROBLEM_JSON

_TEXT = {"type": "string"}
_LINK = {"type": "object", "properties": {"rel": _TEXT, "href": _TEXT}}
_ERROR = {
    "type": "object",
    "required": ["request_id", "code", "status", "title", "detail", "links"],
    "properties": {
        "request_id": _TEXT,
        "code": _TEXT,
        "status": {"type": "integer"},
        "title": _TEXT,
        "detail": _TEXT,
        "links": {"type": "array", "items": _LINK},
        "min_version": _TEXT,
        "max_version": _TEXT,
    },
}
SCHEMAS = {
    "Errors": {
        "type": "object",
        "required": ["errors"],
        "properties": {"errors": {"type": "array", "minItems": 1, "items": _ERROR}},
    },
    "Problem": {
        "type": "object",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "request_id": _TEXT,
            "min_version": _TEXT,
            "max_version": _TEXT,
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["detail"],
                    "properties": {"detail": _TEXT, "pointer": _TEXT, "parameter": _TEXT},
                },
            },
        },
    },
}
"""The error documents, by name."""

_REQUEST_ID = "X-OpenStack-Request-ID"
HEADERS = {
    _REQUEST_ID: {"description": "Under which the request is in the log.", "schema": _TEXT},
    HEADER: {"description": "The microversion that was answered.", "schema": _TEXT},
    "Vary": {"description": "What of the request the answer depends on.", "schema": _TEXT},
    "ETag": {"description": "Of what is shown.", "schema": _TEXT},
    "Location": {"description": "Where it is.", "schema": _TEXT},
    "Retry-After": {"description": "Seconds until it is worth another try.", "schema": _TEXT},
}
"""The headers of answers, by name."""

_MAY_SAY_WHEN = (429, 503)
_READERS = ("GET", "HEAD")
_ANYTHING = "*/*"


@dataclasses.dataclass(frozen=True, slots=True)
class Responses:
    """Args:
    components: where schemas get their names.
    answers: of any action, by status.
    media_types: of the API.
    has_versions: whether it has microversions.
    request_ids: whether every answer has its request's id.
    """

    components: Components
    answers: Mapping[int, str]
    media_types: Sequence[str]
    has_versions: bool
    request_ids: bool

    def of(self, plan: Plan, method: str, *, may_be_missing: bool) -> dict[str, Any]:
        """Returns the responses of one action, by status."""
        moved = getattr(plan.method, "__self__", None)
        if isinstance(moved, Redirect):
            return {moved.status: {"description": "Moved.", "headers": _headers("Location")}}
        found: dict[str, Any] = {}
        for one in _within(plan):
            for status, response in self._successes(one):
                known = found.setdefault(status, response)
                if known is not response:
                    known["content"] = either_content(
                        known.get("content", {}), response.get("content", {})
                    )
        if is_conditional(plan) and method in _READERS:
            found.get("200", {}).get("headers", {}).update(_headers("ETag"))
        own = dict(_own(plan, method, may_be_missing))
        for code, meaning in {**own, **self.answers, **_answers(plan)}.items():
            found.setdefault(str(code), self._error(code, meaning))
        return dict(sorted(found.items()))

    def _successes(self, plan: Plan) -> list[tuple[str, dict[str, Any]]]:
        """Returns the answer with a body, the one without, or both where the action does not say."""
        hint = _hint(plan)
        says = plan.result is not None or plan.collection is not None or bool(plan.offers)
        has_empty = (
            hint is None or _may_be_none(hint) or (hint is inspect.Signature.empty and not says)
        )
        has_body = hint is not None and plan.status[:3] not in ("204", "205")
        found: dict[str, dict[str, Any]] = {}
        if has_body:
            found[plan.status[:3]] = {"content": self._content(plan, hint)}
        if has_empty or not has_body:
            found.setdefault(plan.empty_status[:3], {})
        names = [_REQUEST_ID] if self.request_ids else []
        names += [HEADER] if self.has_versions else []
        names += ["Vary"] if self.has_versions or len(self.media_types) > 1 else []
        names += ["Location"] if plan.location else []
        return [
            (
                status,
                {
                    "description": HTTPStatus(int(status)).phrase,
                    "headers": _headers(*names),
                    **more,
                },
            )
            for status, more in found.items()
        ]

    def _content(self, plan: Plan, hint: Any) -> dict[str, Any]:
        schema = None
        if plan.declared.responses and plan.result is not None:
            schema = self.components.placed(plan.result.schema, f"{plan.name}_result")
        elif plan.collection is not None:
            shown = self.components.placed(some_fields_schema(plan.collection), f"{plan.name}_item")
            schema = page_schema(plan.collection, shown)
        content = {} if schema is None else {"schema": schema}
        if plan.offers:
            # The schema is of the document; what else an action produces is no document.
            return {name: content if name in self.media_types else {} for name in plan.offers}
        kind = typing.get_origin(hint) or hint
        if plan.is_stream:
            return {JSON_LINES: {}}
        if _is(kind, File) or _is(kind, webob.Response):
            return {_ANYTHING: {}}
        return dict.fromkeys(self.media_types, content)

    def _error(self, status: int, meaning: str) -> dict[str, Any]:
        names = [_REQUEST_ID] if self.request_ids or status >= 400 else []
        names += [HEADER] if self.has_versions else []
        names += ["Vary"] if self.has_versions or status >= 400 else []
        names += ["Retry-After"] if status in _MAY_SAY_WHEN else []
        names += ["ETag"] if status == 304 else []
        response: dict[str, Any] = {"description": meaning, "headers": _headers(*names)}
        if status == 414:  # said by the server, before the API is asked
            response = {"description": meaning, "content": {"text/plain": {}}}
        elif status >= 400:
            response["content"] = {
                JSON: {"schema": {"$ref": "#/components/schemas/Errors"}},
                PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}},
            }
        return response


def is_conditional(plan: Plan) -> bool:
    """Whether the action looks at If-Match and If-None-Match."""
    return any(one.declared.is_conditional for one in _within(plan))


def needs_if_match(plan: Plan, method: str) -> bool:
    """Whether it, or one of the sub-actions, is refused without If-Match."""
    needs = any(one.declared.needs_if_match for one in _within(plan))
    return needs and method not in conditions.SAFE


def takes_body(plan: Plan) -> bool:
    """Whether the action reads a body."""
    if plan.subs is not None or plan.body is not None:
        return True
    return "body" in inspect.signature(plan.method).parameters


def _own(plan: Plan, method: str, may_be_missing: bool) -> Iterator[tuple[int, str]]:
    """Yields what the framework itself answers."""
    conditional = is_conditional(plan)
    if conditional and method in _READERS:
        yield 304, "The client has it already."
    yield 400, "The request is wrong; every field that is wrong is named."
    if any(one.declared.rules for one in _within(plan)):
        yield 403, "The policy does not allow it."
    if may_be_missing:
        yield 404, "There is no such resource, or not in the version asked for."
    yield 406, "No media type or microversion that the client takes."
    if conditional:
        yield 412, "Not in the state that the client says."
    if takes_body(plan):
        yield 413, "The body is too long."
    if any(one.query is not None or one.collection is not None for one in _within(plan)):
        yield 414, "The URI is longer than the server takes."
    if takes_body(plan):
        yield 415, "The body is of another media type."
    if needs_if_match(plan, method):
        yield 428, "If-Match is missing."


def _within(plan: Plan) -> Sequence[Plan]:
    return [plan] if plan.subs is None else [*plan.subs.values()]


def _answers(plan: Plan) -> dict[int, str]:
    found: dict[int, str] = {}
    for one in _within(plan):
        for status, meaning in one.declared.answers.items():
            known = found.get(status, meaning)
            found[status] = known if meaning in known else f"{known}; {meaning}"
    return found


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def either_content(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content of what is one of two, by media type: each form once."""
    made = {**other, **one}
    for name in one.keys() & other.keys():
        forms: list[Any] = []
        for schema in (one[name].get("schema", {}), other[name].get("schema", {})):
            is_choice = isinstance(schema, Mapping) and schema.keys() == {"anyOf"}
            for form in schema["anyOf"] if is_choice else [schema]:
                forms += [form] if form not in forms else []
        if len(forms) > 1:
            made[name] = {"schema": {"anyOf": forms}}
    return made


def _hint(plan: Plan) -> Any:
    """Returns the annotation of the action's result; Signature.empty without one that can be read."""
    try:
        hints = typing.get_type_hints(plan.method)
    except (
        NameError,
        AttributeError,
        TypeError,
        SyntaxError,
    ):  # names that only a type checker knows
        text = inspect.signature(plan.method).return_annotation
        return None if text in (None, "None") else inspect.Signature.empty
    found = hints.get("return", inspect.Signature.empty)
    return None if found is type(None) else found


def _may_be_none(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _is(kind: Any, wanted: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, wanted)
