"""Faults: every error of an API as one JSON document, and nothing of the inside in it.

Rules: an HTTP exception says what it was raised with; one of the service's own is first turned into an
HTTP exception by the API's table; anything else is a bug: it is logged with its traceback, and the client
learns the request's id and nothing more. Never HTML. Messages that are translated lazily are translated for
the client.

Source: the API-SIG's error format, ``{"errors": [{"request_id", "code", "status", "title", "detail",
"links"}]}``; RFC 9457 for clients that ask for ``application/problem+json``.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from webob import exc

from wsgisrv.api.request import MORE_HEADERS, Request
from wsgisrv.api.serializers import JSON, PROBLEM_JSON, choose
from wsgisrv.busy import BusyError

_LOG = logging.getLogger("wsgisrv.api")
_BUG = "the server failed; its log has the request id"

FaultTable = Mapping[type[Exception], Callable[[Exception], exc.HTTPException]]
"""For each kind of a service's own exceptions what makes an HTTP exception of one: most often its class."""


class InvalidFields(exc.HTTPBadRequest):  # type: ignore[misc]
    """Raised by an action for fields of the body or the query that are wrong: 400, one error for each.

    Args:
        problems: what is wrong and what is allowed, by field: a JSON pointer into the body (RFC 6901; ""
            is all of it), or ``?name`` of the query; at least one.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = problems
        self.details = [f"{field or 'the body'}: {problem}" for field, problem in problems.items()]
        super().__init__("; ".join(self.details))


class BrokenResultError(Exception):
    """Raised for a result that breaks its schema, where the API says that it fails: a bug of the service."""


@dataclasses.dataclass(frozen=True, slots=True)
class Faults:
    """How one API answers errors.

    Args:
        table: what the service's own exceptions mean.
        problem_json: whether RFC 9457 is the default rather than the API-SIG's document.
        languages: that messages are translated into; the client's Accept-Language chooses.
    """

    table: FaultTable = dataclasses.field(default_factory=dict)
    problem_json: bool = False
    languages: Sequence[str] = ()

    def send(
        self,
        request: Request,
        error: Exception,
        more: list[tuple[str, str]],
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Answers with the document for ``error``.

        Args:
            more: headers that all answers of the API have.
        """
        fault = self._fault_of(request, error)
        kept = _kept_headers(fault)
        if fault.code < 400:  # a redirection or the like, which says all it has to in its headers
            added = request.environ.get(MORE_HEADERS, ())
            start_response(fault.status, _joined(more, kept, added, _no_body(fault.code)))
            return []
        language = request.best_language(self.languages)
        problem = self._wants_problem(request.environ.get("HTTP_ACCEPT", ""))
        made = (_problem_document if problem else _errors_document)(fault, request, language)
        body = json.dumps(made).encode()
        headers = [
            ("Content-Type", PROBLEM_JSON if problem else JSON),
            ("Content-Length", str(len(body))),
            ("X-OpenStack-Request-ID", request.request_id),
            ("Vary", "Accept"),
        ]
        if language is not None:
            headers += [
                ("Content-Language", language.replace("_", "-")),
                ("Vary", "Accept-Language"),
            ]
        start_response(fault.status, _joined(more, kept, headers))
        return [] if request.environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _wants_problem(self, accept: str) -> bool:
        """Whether it is problem+json: where the client prefers one of the two, that one."""
        offers = (PROBLEM_JSON, JSON) if self.problem_json else (JSON, PROBLEM_JSON)
        return (choose(accept or "*/*", offers) or offers[0]) == PROBLEM_JSON

    def _fault_of(self, request: Request, error: Exception) -> Any:
        if self.table:
            for kind in type(error).__mro__:
                if kind in self.table:
                    error = self.table[kind](error)
                    break
        if isinstance(error, exc.WSGIHTTPException):
            return error
        if isinstance(error, BusyError):
            _LOG.warning("%s: %s", request.request_id, error)
            wait = [("Retry-After", str(error.retry_after))]
            return exc.HTTPServiceUnavailable("the service is busy; try again later", headers=wait)
        log_failure(request.environ, error, request.request_id)
        return exc.HTTPInternalServerError(_BUG)


def log_failure(environ: WSGIEnvironment, error: Exception, request_id: str) -> None:
    """Logs a bug of the service, with its traceback."""
    _LOG.error(
        "%s %s %r failed",
        request_id, environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), exc_info=error,
    )  # fmt: skip


def _errors_document(fault: Any, request: Request, language: str | None) -> dict[str, Any]:
    title = fault.title
    return {
        "errors": [
            {
                "request_id": request.request_id,
                "code": re.sub(r"\W+", "_", title.lower()),
                "status": fault.code,
                "title": title,
                "detail": detail or title,
                "links": [],
                **getattr(fault, "more", {}),
            }
            for detail in _details(fault, language)
        ]
    }


def _problem_document(fault: Any, request: Request, language: str | None) -> dict[str, Any]:
    details = _details(fault, language)
    document = {
        "type": "about:blank",
        "title": fault.title,
        "status": fault.code,
        "detail": "; ".join(details) or fault.title,
        "request_id": request.request_id,
        **getattr(fault, "more", {}),
    }
    problems = getattr(fault, "problems", None)
    if problems:
        document["errors"] = [{"detail": text, **_where(field)} for field, text in problems.items()]
    return document


def _where(field: str) -> dict[str, str]:
    return {"parameter": field[1:]} if field.startswith("?") else {"pointer": f"#{field}"}


def _details(fault: Any, language: str | None) -> list[str]:
    details = getattr(fault, "details", None) or [fault.detail or fault.explanation]
    return [" ".join(_translated(detail, language).split()) for detail in details]


def _translated(message: Any, language: str | None) -> str:
    """Returns the text of a message; one of oslo.i18n's, and others of its kind, in the client's language."""
    translate = getattr(message, "translation", None)
    if language is not None and callable(translate):
        return str(translate(language))
    return str(message)


def _kept_headers(fault: Any) -> list[tuple[str, str]]:
    return [(n, v) for n, v in fault.headers.items() if not n.lower().startswith("content-")]


def _joined(*groups: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns the headers; one of a later group takes the place of those before of its name.

    But Vary is made one of all.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    varies: dict[str, None] = {}
    for group in groups:
        mine: dict[str, list[tuple[str, str]]] = {}
        for name, value in group:
            if name.lower() == "vary":
                varies.update(dict.fromkeys(part.strip() for part in value.split(",")))
            else:
                mine.setdefault(name.lower(), []).append((name, value))
        found |= mine
    if varies:
        found["vary"] = [("Vary", ", ".join(varies))]
    return [header for headers in found.values() for header in headers]


def _no_body(code: int) -> list[tuple[str, str]]:
    return [] if code in (204, 304) else [("Content-Type", "text/plain"), ("Content-Length", "0")]
