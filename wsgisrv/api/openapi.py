"""The OpenAPI document of an API: made of its routes, schemas and microversions, so it cannot be out of date.

Rules: pure; one document for one microversion, since a path may mean different things in two. What an action
does not declare is not guessed: one that says nothing of its result may answer 200 and 204. What the
framework itself answers is there: 400, 403 of a policy, 404, 406, 413, 415. Of what any HTTP server
answers (HEAD, OPTIONS, 405, 501) nothing is said, nor of routes whose path names the action.

Source: OpenAPI 3.1, whose schemas are JSON Schema 2020-12.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from typing import Any

from wsgisrv.api import conditions
from wsgisrv.api.components import Components
from wsgisrv.api.controller import Plan
from wsgisrv.api.declared import caller, wrong_answer
from wsgisrv.api.entry import Entry
from wsgisrv.api.listing import page_parameters
from wsgisrv.api.microversions import HEADER, Microversions
from wsgisrv.api.redirect import Redirect
from wsgisrv.api.responses import (
    HEADERS,
    SCHEMAS,
    Responses,
    either_content,
    is_conditional,
    needs_if_match,
    takes_body,
)
from wsgisrv.errors import ConfigError

_OF_EVERY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")
_WITHIN_NAME = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Raises|Returns|Yields|Example|Examples|Note|Source):"
)
_OF_OBJECTS = {
    "type", "properties", "required", "additionalProperties", "title", "description", "x-says", "$schema",
    "$defs", "$id",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Described:
    """What an API says of itself in its OpenAPI document and on its docs page.

    Args:
        title: of the API.
        version: of an API without microversions.
        description: in Markdown.
        answers: statuses that any action may answer, as 503, and what they mean.
        document_path: of the document, below where the API is mounted.
        page_path: of the page.
        more: of the document, put into what is made: ``{"info": {"license": {"name": "MIT"}}}``, and so
            ``security``, ``components``, ``tags``, ``externalDocs``, or an operation's own ``deprecated``.

    Raises:
        ConfigError: when one of these cannot stand in a document; names file and line.
    """

    title: str
    version: str = "1.0"
    description: str = ""
    answers: Mapping[int, str] = dataclasses.field(default_factory=dict)
    document_path: str = "/openapi.json"
    page_path: str = "/docs"
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if complaint := self._complaint():
            raise ConfigError(f"{caller()}: Described: {complaint}")

    def _complaint(self) -> str:
        said = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name, value in said.items():
            wanted = dict if name in ("answers", "more") else str
            if not isinstance(value, wanted):
                return f"{name} is a {wanted.__name__}, not {value!r}"
        try:
            json.dumps(self.more, allow_nan=False)
        except (TypeError, ValueError) as error:
            return f"more is no JSON: {error}"
        return next(filter(None, starmap(wrong_answer, self.answers.items())), "")


@dataclasses.dataclass(frozen=True, slots=True)
class Documented:
    """What a document is made of.

    Args:
        entries: the routes, those of the documentation left out.
        versions: of the API.
        media_types: that it reads and writes.
        request_ids: whether every answer has its request's id.
    """

    described: Described
    entries: Sequence[Entry]
    versions: Microversions | None
    media_types: Sequence[str]
    request_ids: bool

    def document(self, index: int, server: str) -> dict[str, Any]:
        """Returns the document.

        Args:
            index: of the microversion.
            server: the URL below which the paths are.
        """
        described = self.described
        version = self.versions.names[index] if self.versions else described.version
        info = {
            "title": described.title,
            "version": version,
            "description": described.description,
        }
        components = Components(SCHEMAS)
        paths = self._paths(index, components)
        document = {
            "openapi": "3.1.0",
            "info": info,
            "servers": [{"url": server}],
            "paths": {path: _in_order(paths[path]) for path in sorted(paths)},
            "components": {"schemas": components.schemas, "headers": HEADERS},
        }
        completed: dict[str, Any] = _completed(document, described.more)
        return completed

    def _paths(self, index: int, components: Components) -> dict[str, dict[str, Any]]:
        paths: dict[str, dict[str, Any]] = {}
        known: dict[str, str] = {}  # the path that stands for all of one form
        ids: set[str] = set()
        responses = Responses(
            components,
            self.described.answers,
            self.media_types,
            self.versions is not None,
            self.request_ids,
        )
        for entry in self.entries:
            action = entry.action
            plan = None if action is None else action.at[index]
            if plan is None or ("format" in entry.variables and not entry.answers_format):
                continue
            for own_path in _paths(entry):
                path = known.setdefault(re.sub(r"\{[^}]*\}", "{}", own_path), own_path)
                for method in entry.methods or _OF_EVERY_METHOD:
                    if method in _METHODS:
                        made = self._operation(entry, path, method, plan, index, responses)
                        _add(paths.setdefault(path, {}), method.lower(), path, made, ids)
        return paths

    def _operation(
        self, entry: Entry, path: str, method: str, plan: Plan, index: int, responses: Responses
    ) -> dict[str, Any]:
        summary, description = _told(plan)
        named = [*self._parameters(entry, method, plan, index, responses.components)]
        in_path = [one for one in named if one["in"] == "path"]
        for parameter, name in zip(in_path, _names_in(path), strict=False):
            parameter["name"] = name
        operation: dict[str, Any] = {
            "operationId": "",
            "tags": [_WITHIN_NAME.sub(" ", plan.name.partition(".")[0]).capitalize()],
            "summary": summary,
            **({"description": description} if description else {}),
            "parameters": [
                one for one in named if one["in"] != "path" or one["name"] in _names_in(path)
            ],
            "responses": responses.of(plan, method, may_be_missing=self._may_be_missing(entry)),
        }
        body = body_schema(plan, responses.components)
        if body is not None:
            content = {name: {"schema": body} for name in self.media_types}
            operation["requestBody"] = {"required": True, "content": content}
        return operation

    def _parameters(
        self, entry: Entry, method: str, plan: Plan, index: int, components: Components
    ) -> Iterator[dict[str, Any]]:
        for name in entry.variables:
            schema: dict[str, Any] = {"type": "string", "minLength": 1}
            if requirement := entry.requirements.get(name):
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
            yield from _query_parameters(plan, components)
        if is_conditional(plan):
            etags = {"type": "string", "pattern": conditions.PATTERN}
            needed = needs_if_match(plan, method) and plan.subs is None
            for header, required in (("If-Match", needed), ("If-None-Match", False)):
                yield {"name": header, "in": "header", "required": required, "schema": etags}

    @staticmethod
    def _may_be_missing(entry: Entry) -> bool:
        """Whether 404 is an answer: the path has arguments, or another version does not have it."""
        action = entry.action
        return bool(entry.variables) or (action is not None and None in action.at)


def body_schema(plan: Plan, components: Components) -> Any:
    """Returns the schema of an action's body; None when it takes none."""
    if plan.subs is not None:
        return {"oneOf": [_form(name, sub, components) for name, sub in sorted(plan.subs.items())]}
    if plan.body is not None:
        return components.placed(plan.body.schema, f"{plan.name}_body")
    return {} if takes_body(plan) else None


def _form(name: str, sub: Plan, components: Components) -> dict[str, Any]:
    inner = {} if sub.body is None else components.placed(sub.body.schema, f"{sub.name}_body")
    summary, description = _told(sub)
    about = "\n\n".join(filter(None, (summary, description)))
    return {
        **({"description": about} if about else {}),
        "type": "object",
        "required": [name],
        "properties": {name: inner},
        "additionalProperties": False,
    }


def _query_parameters(plan: Plan, components: Components) -> Iterator[dict[str, Any]]:
    """Yields a parameter for each property; one for all of them where the schema says more of a query."""
    schema = plan.query.schema if plan.query is not None else {}
    placed = components.placed(schema, f"{plan.name}_query")
    whole = components.resolved(placed)
    if schema.keys() - _OF_OBJECTS:
        yield {"name": "query", "in": "query", "style": "form", "explode": True, "schema": placed}
        return
    for name, part in whole.get("properties", {}).items():
        required = name in whole.get("required", ())
        parameter: dict[str, Any] = {"name": name, "in": "query", "required": required}
        inner = components.resolved(part)
        if isinstance(inner, Mapping):
            if inner.get("type") == "array":
                parameter |= {"style": "form", "explode": False}
            if "description" in inner:
                parameter["description"] = inner["description"]
        yield {**parameter, "schema": part}


def _told(plan: Plan) -> tuple[str, str]:
    """Returns what is said of an action in a line, and what more; its docstring without its sections."""
    moved = getattr(plan.method, "__self__", None)
    if isinstance(moved, Redirect):
        return f"Moved to {moved.destination}.", ""
    if plan.subs is not None:
        told = (f"- `{name}`: {_told(sub)[0]}" for name, sub in sorted(plan.subs.items()))
        return f"One of the actions: {', '.join(sorted(plan.subs))}.", "\n".join(told)
    first, *others = (inspect.getdoc(plan.method) or "").split("\n\n")
    kept: list[str] = []
    for paragraph in others:
        if _SECTION.match(paragraph):
            break
        kept.append(paragraph)
    return " ".join(first.split()), "\n\n".join(kept)


def _either(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the operation that is one of two: the path's arguments decide, which no document can say."""
    parameters = {(each["name"], each["in"]): each for each in one["parameters"]}
    for each in other["parameters"]:
        known = parameters.setdefault((each["name"], each["in"]), each)
        if known["schema"] != each["schema"]:
            schema = {"anyOf": [known["schema"], each["schema"]]}
            parameters[each["name"], each["in"]] = {**known, "schema": schema}
    responses = {**other["responses"], **one["responses"]}
    for status in one["responses"].keys() & other["responses"].keys():
        responses[status] = _either_response(one["responses"][status], other["responses"][status])
    made = {
        **one,
        "parameters": [*parameters.values()],
        "responses": dict(sorted(responses.items())),
    }
    made["summary"] = f"{one['summary']} Or: {other['summary']}".strip()
    bodies = [each["requestBody"] for each in (one, other) if "requestBody" in each]
    if bodies:
        content = either_content(bodies[0]["content"], bodies[-1]["content"])
        made["requestBody"] = {"required": len(bodies) == 2, "content": content}
    return made


def _either_response(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(one)
    if one["description"] != other["description"]:
        made["description"] = f"{one['description']} Or: {other['description']}"
    if "content" in other:
        made["content"] = either_content(one.get("content", {}), other["content"])
    return made


def _completed(made: Any, more: Any) -> Any:
    """Returns what was made with more in it; where both say something of one name, more's holds."""
    if not (isinstance(made, Mapping) and isinstance(more, Mapping)):
        return more
    return {
        **made,
        **{name: _completed(made[name], v) if name in made else v for name, v in more.items()},
    }


def _add(
    operations: dict[str, Any], method: str, path: str, made: dict[str, Any], ids: set[str]
) -> None:
    """Adds an operation; of routes that differ in what they require of the path's arguments, one is made."""
    if method in operations:
        operations[method] = _either(operations[method], made)
        return
    made["operationId"] = _unused(f"{method}_{_words(path)}", ids)
    operations[method] = made


def _unused(name: str, ids: set[str]) -> str:
    found, number = name, 1
    while found in ids:
        number += 1
        found = f"{name}_{number}"
    ids.add(found)
    return found


def _in_order(operations: Mapping[str, Any]) -> dict[str, Any]:
    return {name: operations[name] for name in map(str.lower, _METHODS) if name in operations}


def _words(path: str) -> str:
    return re.sub(r"[^0-9A-Za-z]+", "_", path).strip("_") or "root"


def _names_in(path: str) -> list[str]:
    return re.findall(r"\{([^}]*)\}", path)


def _paths(entry: Entry) -> list[str]:
    """Returns the paths of a route: two where ``{.format}`` may be left out."""
    without, whole = "", ""
    for part in entry.route.routelist:
        text = part if isinstance(part, str) else f"{{{part['name']}}}"
        is_optional = not isinstance(part, str) and part["type"] == "."
        whole += f".{text}" if is_optional else text
        without += "" if is_optional else text
    return [
        path if path.startswith("/") else f"/{path}" for path in dict.fromkeys((without, whole))
    ]
