"""The OpenAPI document of an API: made of its routes, schemas and microversions, so it cannot be out of date.

Rules: pure; one document for one microversion, since a path may mean different things in two. What an action
does not declare is not guessed, but for what the framework itself answers: 400, 404, 406, 413, 415.

Source: OpenAPI 3.1, whose schemas are JSON Schema 2020-12.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from wsgisrv.api.controller import Plan
from wsgisrv.api.entry import Entry
from wsgisrv.api.listing import page_parameters, page_schema
from wsgisrv.api.microversions import HEADER, Microversions
from wsgisrv.api.serializers import JSON, JSON_LINES, PROBLEM_JSON

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")
_WITHIN_NAME = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CONDITIONS = {304: "If-None-Match", 412: "If-Match"}

_TEXT = {"type": "string"}
_ERROR = {
    "type": "object",
    "required": ["request_id", "code", "status", "title", "detail", "links"],
    "properties": {
        "request_id": _TEXT,
        "code": _TEXT,
        "status": {"type": "integer"},
        "title": _TEXT,
        "detail": _TEXT,
        "links": {"type": "array"},
        "min_version": _TEXT,
        "max_version": _TEXT,
    },
}
_COMPONENTS = {
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
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    },
}


@dataclasses.dataclass(frozen=True, slots=True)
class Described:
    """What an API says of itself in its OpenAPI document and on its docs page.

    Args:
        title: of the API.
        version: of an API without microversions.
        description: in Markdown.
        answers: statuses that any action may answer, as 503, and what they mean.
        document_path: of the document, below where the API is mounted; the page is beside it.
        page_path: of the page.
    """

    title: str
    version: str = "1.0"
    description: str = ""
    answers: Mapping[int, str] = dataclasses.field(default_factory=dict)
    document_path: str = "/openapi.json"
    page_path: str = "/docs"


@dataclasses.dataclass(frozen=True, slots=True)
class Documented:
    """What a document is made of.

    Args:
        entries: the routes, those of the documentation left out.
        versions: of the API.
        media_types: that it reads and writes.
    """

    described: Described
    entries: Sequence[Entry]
    versions: Microversions | None
    media_types: Sequence[str]

    def document(self, index: int, server: str) -> dict[str, Any]:
        """Returns the document.

        Args:
            index: of the microversion.
            server: the URL below which the paths are.
        """
        paths: dict[str, dict[str, Any]] = {}
        for entry in self.entries:
            action = entry.action
            plan = None if action is None else action.at[index]
            if plan is None or ("format" in _variables(entry) and not entry.answers_format):
                continue
            for method in entry.methods or ("GET",):
                if method in _METHODS:
                    operations = paths.setdefault(_path(entry), {})
                    operations[method.lower()] = self._operation(entry, method, plan, index)
        described = self.described
        version = self.versions.names[index] if self.versions else described.version
        return {
            "openapi": "3.1.0",
            "info": {
                "title": described.title,
                "version": version,
                "description": described.description,
            },
            "servers": [{"url": server}],
            "paths": {path: _in_order(paths[path]) for path in sorted(paths)},
            "components": {"schemas": _COMPONENTS},
        }

    def _operation(self, entry: Entry, method: str, plan: Plan, index: int) -> dict[str, Any]:
        summary = (inspect.getdoc(plan.method) or "").partition("\n\n")[0]
        where = re.sub(r"[^0-9A-Za-z]+", "_", _path(entry)).strip("_")
        operation: dict[str, Any] = {
            "operationId": f"{method.lower()}_{where or 'root'}",
            "tags": [_WITHIN_NAME.sub(" ", plan.name.partition(".")[0]).capitalize()],
            "summary": " ".join(summary.split())
            if plan.subs is None
            else f"One of the actions: {', '.join(sorted(plan.subs))}.",
            "parameters": [*self._parameters(entry, plan, index)],
            "responses": self._responses(plan, self._may_be_missing(entry)),
        }
        body = _body_schema(plan)
        if body is not None:
            content = {name: {"schema": body} for name in self.media_types}
            operation["requestBody"] = {"required": True, "content": content}
        return operation

    def _parameters(self, entry: Entry, plan: Plan, index: int) -> Iterator[dict[str, Any]]:
        for name in _variables(entry):
            schema: dict[str, Any] = {"type": "string", "minLength": 1}
            if requirement := entry.route.reqs.get(name):
                schema["pattern"] = f"^(?:{requirement})$"
            yield {"name": name, "in": "path", "required": True, "schema": schema}
        if self.versions is not None:
            service_type, name = self.versions.service_type, self.versions.names[index]
            yield {
                "name": HEADER,
                "in": "header",
                "required": index > 0,
                "schema": {"type": "string", "enum": [f"{service_type} {name}"]},
            }
        if plan.collection is not None:
            yield from page_parameters(plan.collection)
        if plan.query is not None:
            required = plan.query.schema.get("required", ())
            for name, schema in plan.query.schema.get("properties", {}).items():
                parameter = {"name": name, "in": "query", "required": name in required}
                if schema.get("type") == "array":
                    parameter |= {"style": "form", "explode": False}
                yield {**parameter, "schema": plain(schema)}
        for status, header in _CONDITIONS.items():
            if status in _answers(plan):
                yield {"name": header, "in": "header", "required": False, "schema": _TEXT}

    @staticmethod
    def _may_be_missing(entry: Entry) -> bool:
        """Whether 404 is an answer: the path has arguments, or another version does not have it."""
        action = entry.action
        return bool(_variables(entry)) or (action is not None and None in action.at)

    def _responses(self, plan: Plan, may_be_missing: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one in plan.subs.values() if plan.subs is not None else (plan,):
            status, response = self._success(one)
            known = found.setdefault(status, response)
            if known is not response and "content" in known and "content" in response:
                known["content"] = {name: {} for name in (*known["content"], *response["content"])}
        errors = {**self.described.answers, **_answers(plan)}
        errors.setdefault(400, "The request is wrong; every field that is wrong is named.")
        errors.setdefault(406, "No media type or microversion that the client takes.")
        if may_be_missing:
            errors.setdefault(404, "There is no such resource, or not in the version asked for.")
        if _body_schema(plan) is not None:
            errors.setdefault(413, "The body is too long.")
            errors.setdefault(415, "The body is of another media type.")
        for code, meaning in sorted(errors.items()):
            found[str(code)] = _error(code, meaning)
        return found

    def _success(self, plan: Plan) -> tuple[str, dict[str, Any]]:
        empty = inspect.signature(plan.method).return_annotation in (None, "None")
        status = (plan.empty_status if empty else plan.status)[:3]
        response: dict[str, Any] = {"description": HTTPStatus(int(status)).phrase}
        if plan.location:
            response["headers"] = {"Location": {"schema": _TEXT}}
        if not empty:
            schema = plan.result and plain(plan.result.schema)
            if plan.collection is not None:
                schema = page_schema(plan.collection, plain)
            content = {} if schema is None else {"schema": schema}
            # The schema is of the document; what else an action produces is no document.
            response["content"] = {
                name: content if name in self.media_types else {}
                for name in plan.offers or self._media_types_of(plan)
            }
        return status, response

    def _media_types_of(self, plan: Plan) -> Sequence[str]:
        return [JSON_LINES] if inspect.isgeneratorfunction(plan.method) else self.media_types


def _in_order(operations: Mapping[str, Any]) -> dict[str, Any]:
    return {name: operations[name] for name in map(str.lower, _METHODS) if name in operations}


def plain(schema: Any) -> Any:
    """Returns a schema without what is ours alone."""
    if isinstance(schema, Mapping):
        return {key: plain(part) for key, part in schema.items() if key != "x-says"}
    if isinstance(schema, list | tuple):
        return [plain(part) for part in schema]
    return schema


def _answers(plan: Plan) -> dict[int, str]:
    found: dict[int, str] = {}
    for one in plan.subs.values() if plan.subs is not None else (plan,):
        for status, meaning in one.declared.answers.items():
            known = found.get(status, meaning)
            found[status] = known if meaning in known else f"{known}; {meaning}"
    return found


def _error(status: int, meaning: str) -> dict[str, Any]:
    response: dict[str, Any] = {"description": meaning}
    if status >= 400:
        response["content"] = {
            JSON: {"schema": {"$ref": "#/components/schemas/Errors"}},
            PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}},
        }
    return response


def _body_schema(plan: Plan) -> Any:
    if plan.subs is None:
        return None if plan.body is None else plain(plan.body.schema)
    return {
        "oneOf": [
            {
                "type": "object",
                "required": [name],
                "properties": {name: {} if sub.body is None else plain(sub.body.schema)},
                "additionalProperties": False,
            }
            for name, sub in sorted(plan.subs.items())
        ]
    }


def _variables(entry: Entry) -> list[str]:
    return [part["name"] for part in entry.route.routelist if isinstance(part, dict)]


def _path(entry: Entry) -> str:
    parts = (
        part if isinstance(part, str) else f"{{{part['name']}}}" for part in entry.route.routelist
    )
    path = "".join(parts)
    return path if path.startswith("/") else f"/{path}"
