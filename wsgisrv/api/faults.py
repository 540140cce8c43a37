"""Faults: every error of an API as one JSON document, and nothing of the inside in it.

Rules: an HTTP exception says what it was raised with; one of the service's own is turned into an HTTP
exception by the nearest of its classes in the API's table; anything else is a bug, as is whatever fails here:
it is logged with its traceback, and the client learns the request's id and nothing more. Never HTML. Messages
that are translated lazily are translated for the client. What the server raises for its client, and no table
names, is the server's to answer, and so is a BaseException: a greenlet that is killed must not answer.

Source: the API-SIG's error format, ``{"errors": [{"request_id", "code", "status", "title", "detail",
"links"}]}``; RFC 9457 for clients that ask for ``application/problem+json``.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

from webob import exc
from webob.request import DisconnectionError

from wsgisrv.api.body import unreadable
from wsgisrv.api.request import MORE_HEADERS, Request
from wsgisrv.api.serializers import JSON, PROBLEM_JSON, choose
from wsgisrv.busy import BusyError
from wsgisrv.errors import ClientError

_LOG = logging.getLogger("wsgisrv.api")
_BUG = "the server failed; its log has the request id"
_STATUSES = "https://www.iana.org/assignments/http-status-codes"
_Error = TypeVar("_Error", bound=exc.HTTPException)
_NAMES = {"": "the body", "?": "the query"}
_IN_URI = "%!#$&'()*+,/:;=?@[]~"  # what a URI may have beside letters and digits
_IN_FRAGMENT = "!$&'()*+,/:;=?@~"

FaultTable = Mapping[type[BaseException], Callable[[Any], exc.HTTPException]]
"""For each kind of a service's own exceptions what makes an HTTP exception of one: most often its class.

A BaseException is answered where the table names it: one that names eventlet.Timeout answers the server's own
request_timeout, too.
"""


class InvalidFields(exc.HTTPBadRequest):  # type: ignore[misc]
    """Raised by an action for fields of the body or the query that are wrong: 400, one error for each.

    Args:
        problems: what is wrong and what is allowed, by field: a JSON pointer into the body (RFC 6901; ""
            is all of it), or ``?name`` of the query ("?" is all of it); at least one. A text may be one
            that is translated lazily.
    """

    def __init__(self, problems: Mapping[str, Any]) -> None:
        self.problems = problems
        super().__init__("; ".join(_named(field, str(text)) for field, text in problems.items()))


def fault(
    error: _Error,
    *,
    code: str = "",
    title: str = "",
    type: str = "",  # noqa: A002 - RFC 9457's name
    links: Sequence[Mapping[str, str]] = (),
    **members: Any,
) -> _Error:
    """Returns an HTTP exception of which the error document says more.

    Args:
        error: that is raised, or returned by the table of faults.
        code: by which a program knows the error, as in ``shelf.book-is-lent``; the status by default.
        title: of the error, in place of the status's.
        type: a URI that names the kind of problem (RFC 9457); of problem+json alone.
        links: besides the one to the API's help, each with ``rel`` and ``href``.
        members: further ones that JSON can say.

    Raises:
        ValueError: for a member that is the document's own.
    """
    if own := sorted({"request_id", "status", "detail", "errors"} & members.keys()):
        raise ValueError(f"{own[0]} is said by the document itself")
    said = {"code": code, "title": title, "type": type, "links": [*links], **members}
    error.said = {name: value for name, value in said.items() if value not in ("", [])}
    return error


class BrokenResultError(Exception):
    """Raised for a result that breaks its schema, where the API says that it fails: a bug of the service."""


class _Translator:
    """Makes texts of messages: those of oslo.i18n, and others of their kind, in the client's language."""

    def __init__(self, language: str | None) -> None:
        self._language = language
        self.has_translated = False

    def text(self, message: Any) -> str:
        if isinstance(message, BaseException) and len(message.args) == 1:
            message = message if str(message) != str(message.args[0]) else message.args[0]
        translate = getattr(message, "translation", None)
        text = plain = str(message)
        if self._language is not None and callable(translate):
            text = str(translate(self._language))
        self.has_translated |= text != plain
        return " ".join(text.split())


@dataclasses.dataclass(frozen=True, slots=True)
class Faults:
    """How one API answers errors.

    Args:
        table: what the service's own exceptions mean.
        problem_json: whether RFC 9457 is the default rather than the API-SIG's document.
        languages: that messages are translated into; the client's Accept-Language chooses.
        source_language: that messages are written in; it takes part in the choice.
        help_path: of the API's docs page, below where it is mounted; "" when there is none.
    """

    table: FaultTable = dataclasses.field(default_factory=dict)
    problem_json: bool = False
    languages: Sequence[str] = ()
    source_language: str = "en"
    help_path: str = ""

    @property
    def answered(self) -> tuple[type[BaseException], ...]:
        """The exceptions that an answer may be made of."""
        return (Exception, *self.table)

    def send(
        self,
        request: Request,
        error: BaseException,
        more: list[tuple[str, str]],
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Answers with the document for ``error``.

        Args:
            error: that is being handled.
            more: headers that all answers of the API have.

        Raises:
            BaseException: ``error``, when it is the server's to answer, or the head has been sent.
        """
        exc_info: Any = (type(error), error, error.__traceback__)

        def start(status: str, headers: list[tuple[str, str]]) -> None:
            start_response(status, headers, exc_info)

        try:
            return self._send(request, self._fault_of(request, error), more, start)
        except Exception as failure:
            if failure is error:
                raise
            log_failure(request.environ, failure, request.request_id)
            return self._send(request, exc.HTTPInternalServerError(_BUG), more, start)

    def _send(
        self,
        request: Request,
        fault: Any,
        more: list[tuple[str, str]],
        start: Callable[[str, list[tuple[str, str]]], None],
    ) -> Iterable[bytes]:
        said = request.environ.get(MORE_HEADERS, [])
        kept = _kept_headers(fault, request)
        if fault.code < 400:  # a redirection or the like, which says all it has to in its headers
            start(fault.status, _joined(more, kept, said, _own_body(fault)))
            body = fault.body
        else:
            translator = _Translator(self._language_for(request))
            problem = self._wants_problem(request.environ.get("HTTP_ACCEPT", ""))
            details = _details(fault, translator)
            if problem:
                made = _problem_document(fault, request, details, translator)
            else:
                made = _errors_document(fault, request, details, self._help(request))
            body = json.dumps(made).encode()
            headers = [
                ("Content-Type", PROBLEM_JSON if problem else JSON),
                ("Content-Length", str(len(body))),
                ("X-OpenStack-Request-ID", request.request_id),
                ("Vary", "Accept, Accept-Language" if self.languages else "Accept"),
            ]
            if translator.has_translated:
                language = str(self._language_for(request)).replace("_", "-")
                headers.append(("Content-Language", language))
            # Of an answer that is none, only what it depends on is kept.
            varies = [header for header in said if header[0].lower() == "vary"]
            start(fault.status, _joined(more, varies, kept, headers))
        return [] if request.environ["REQUEST_METHOD"] == "HEAD" or not body else [body]

    def _language_for(self, request: Request) -> str | None:
        """Returns the language to translate into; None when the client likes the source's better."""
        chosen = request.best_language([*self.languages, self.source_language])
        return chosen if chosen in self.languages else None

    def _wants_problem(self, accept: str) -> bool:
        """Whether it is problem+json: where the client prefers one of the two, that one."""
        offers = (PROBLEM_JSON, JSON) if self.problem_json else (JSON, PROBLEM_JSON)
        return (choose(accept or "*/*", offers) or offers[0]) == PROBLEM_JSON

    def _help(self, request: Request) -> str:
        return f"{request.application_url}{self.help_path}" if self.help_path else _STATUSES

    def _fault_of(self, request: Request, error: BaseException) -> Any:
        if isinstance(error, exc.HTTPException):
            return error.wsgi_response
        known = {**_OWN, **self.table}
        kind = next((kind for kind in type(error).__mro__ if kind in known), None)
        if kind is None:
            log_failure(request.environ, error, request.request_id)
            return exc.HTTPInternalServerError(_BUG)
        if kind is BusyError:
            _LOG.warning("%s: %s", request.request_id, error)
        made = known[kind](error)
        if not isinstance(made, exc.HTTPException):
            raise TypeError(f"faults: {kind.__name__} became {made!r}, not an HTTP exception")
        return made.wsgi_response


def log_failure(environ: WSGIEnvironment, error: BaseException, request_id: str) -> None:
    """Logs a bug of the service, with its traceback."""
    _LOG.error(
        "%s %s %r failed",
        request_id, environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), exc_info=error,
    )  # fmt: skip


def _busy(error: BusyError) -> exc.HTTPException:
    wait = [("Retry-After", str(error.retry_after))]
    return exc.HTTPServiceUnavailable("the service is busy; try again later", headers=wait)


def _of_client(error: Any) -> exc.HTTPException:
    if not hasattr(error, "status"):  # the client has gone: there is nobody to answer
        raise error
    return unreadable(error)


def _cut_short(_error: DisconnectionError) -> exc.HTTPException:
    return exc.HTTPBadRequest("the body ends before its Content-Length")


_OWN: FaultTable = {BusyError: _busy, ClientError: _of_client, DisconnectionError: _cut_short}


def _errors_document(
    fault: Any, request: Request, details: Sequence[str], help_url: str
) -> dict[str, Any]:
    said = {name: value for name, value in _said(fault).items() if name != "type"}
    title = fault.title
    error = {
        "request_id": request.request_id,
        "code": re.sub(r"\W+", "_", title.lower()),
        "status": fault.code,
        "title": title,
        "detail": "",
        **said,
        "links": [{"rel": "help", "href": help_url}, *said.get("links", ())],
    }
    return {"errors": [{**error, "detail": detail or title} for detail in details]}


def _problem_document(
    fault: Any, request: Request, details: Sequence[str], translator: _Translator
) -> dict[str, Any]:
    document = {
        "type": "about:blank",
        "title": fault.title,
        "status": fault.code,
        "detail": "; ".join(details) or fault.title,
        "request_id": request.request_id,
        **_said(fault),
    }
    if problems := getattr(fault, "problems", None):
        document["errors"] = [
            {"detail": translator.text(text), **_where(field)} for field, text in problems.items()
        ]
    return document


def _said(fault: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(fault, "said", {})
    return found


def _where(field: str) -> dict[str, str]:
    if field.startswith("?"):
        return {"parameter": field[1:]} if field != "?" else {}
    return {"pointer": f"#{quote(field, safe=_IN_FRAGMENT)}"}


def _details(fault: Any, translator: _Translator) -> list[str]:
    if problems := getattr(fault, "problems", None):
        return [_named(field, translator.text(text)) for field, text in problems.items()]
    return [translator.text(fault.detail or fault.explanation)]


def _named(field: str, text: str) -> str:
    return f"{_NAMES.get(field, field)}: {text}"


def _kept_headers(fault: Any, request: Request) -> list[tuple[str, str]]:
    """Returns an exception's headers without those of its body, which is HTML."""
    if getattr(fault, "add_slash", False):
        query = request.environ.get("QUERY_STRING")
        fault.location = f"{request.path_url}/" + (f"?{query}" if query else "")
    elif fault.location and not fault.location.isascii():
        fault.location = quote(fault.location, safe=_IN_URI)
    of_body = ("content-type", "content-length", "content-encoding")
    return [(name, value) for name, value in fault.headers.items() if name.lower() not in of_body]


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


def _own_body(fault: Any) -> list[tuple[str, str]]:
    """Returns the headers of what an answer that is no error was given as its body."""
    if fault.code in (204, 304):
        return []
    content_type = fault.headers["Content-Type"] if fault.body else "text/plain"
    return [("Content-Type", content_type), ("Content-Length", str(len(fault.body)))]
