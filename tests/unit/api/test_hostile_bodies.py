"""What a body of 1 MiB costs, whatever is in it: the time is bounded by that of reading plain JSON."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import webob
from webob import exc

from tests.support import wsgi
from wsgisrv import api
from wsgisrv.api.body import MOST_BODY_BYTES, parse_json

MOST_TIMES = 25
"""CPU time of one body beyond 5 times that of json.loads for it, in times of json.loads for an ordinary one.

What is quadratic takes 1000s.
"""

MOST_ANSWER_BYTES = 32 * 1024


def full_of(piece: bytes, last: bytes = b"") -> bytes:
    last = last or piece
    count = (MOST_BODY_BYTES - len(last) - 2) // (len(piece) + 1)
    return b"[" + b",".join([piece] * count + [last]) + b"]"


def keys(last: str) -> bytes:
    names = [f"{number:x}" for number in range(90_000)]
    return ("{" + ",".join(f'"{name}":1' for name in [*names, last]) + "}").encode()


SIZE = MOST_BODY_BYTES - 20
BODIES = {
    "many keys": keys("zz"),
    "a key twice": keys("15f8f"),
    "a long key twice": b'{"' + b"k" * (SIZE // 2) + b'":1,"' + b"k" * (SIZE // 2) + b'":1}',
    "a long key": b'{"' + b"k" * SIZE + b'":1}',
    "a key of control characters": b'{"' + b"\\u0001" * (SIZE // 6) + b'":1}',
    "many keys twice": full_of(b'{"a":1,"a":1}'),
    "lists that do not end": b"[" * SIZE,
    "objects that do not end": b'{"a":' * (SIZE // 5),
    "deep lists": b"[" * (SIZE // 2) + b"]" * (SIZE // 2),
    "many deep lists": full_of(b"[" * 31 + b"]" * 31),
    "many too deep lists": full_of(b"[" * 900 + b"]" * 900),
    "empty lists": full_of(b"[]"),
    "empty objects": full_of(b"{}"),
    "objects": full_of(b'{"a":1}'),
    "small numbers": full_of(b"1"),
    "fractions": full_of(b"0.12345678901234567"),
    "exponents": full_of(b"2.2250738585072011e-308"),
    "numbers of 309 digits": full_of(b"1" * 309),
    "numbers of 4,000 digits": full_of(b"9" * 4000),
    "a number of a million digits": b'{"a":' + b"9" * SIZE + b"}",
    "a fraction of a million digits": b'{"a":0.' + b"9" * SIZE + b"}",
    "an exponent of a million digits": b'{"a":1e' + b"9" * SIZE + b"}",
    "no numbers": full_of(b"NaN"),
    "a last one that is no number": full_of(b"1", last=b"NaN"),
    "escapes": b'"' + b"\\n" * (SIZE // 2) + b'"',
    "half pairs": b'"' + b"\\ud800" * (SIZE // 6) + b'"',
    "a last half pair": full_of(b"1", last=b'"\\ud800"'),
    "texts": full_of(b'"a"'),
    "a long text": b'"' + b"a" * SIZE + b'"',
    "a text that does not end": b'"' + b'\\"' * (SIZE // 2),
    "blanks": b" " * SIZE,
    "lines": b"\n" * SIZE + b"x",
}

READABLE = [
    "many keys", "a long key", "a key of control characters", "many deep lists", "empty lists",
    "empty objects", "objects", "small numbers", "texts", "a long text",
]  # fmt: skip

WORD = {"type": "string", "maxLength": 5}
THIRTY = {f"q{number}": WORD for number in range(30)}
SCHEMAS: dict[str, dict[str, Any]] = {
    "an object": {"type": "object", "properties": {"a": WORD}, "additionalProperties": False},
    "many required fields": {
        "type": "array", "items": {"type": "object", "required": list(THIRTY), "properties": THIRTY},
    },
    "many unknown fields": {
        "type": ["array", "object"],
        "items": {"properties": THIRTY, "additionalProperties": False},
        "properties": THIRTY,
        "additionalProperties": False,
        "required": list(THIRTY),
    },
    "forms": {
        "type": "array",
        "items": {"anyOf": [{"type": "object", "required": ["x"]}, {"type": "object", "required": ["y"]}]},
    },
    "forms of the whole": {
        "anyOf": [{"type": "array", "items": {"required": list(THIRTY), "type": "object"}}, {"type": "null"}],
    },
    "forms within forms": {
        "$ref": "#/$defs/n",
        "$defs": {
            "n": {
                "oneOf": [
                    {"type": "boolean"},
                    {"type": "array", "items": {"$ref": "#/$defs/n"}},
                    {"type": "array", "items": {"$ref": "#/$defs/n"}, "minItems": 1},
                ]
            }
        },
    },
    "texts": {"type": "array", "uniqueItems": True, "items": WORD, "maxItems": 3},
}  # fmt: skip


def seconds(work: Callable[[], Any]) -> float:
    before = time.process_time()
    with contextlib.suppress(exc.HTTPBadRequest, ValueError, RecursionError):
        work()
    return time.process_time() - before


@pytest.fixture(scope="module")
def most_seconds() -> float:
    ordinary = full_of(b'{"id":12345,"name":"a name","tags":["a","b"]}')
    return MOST_TIMES * min(seconds(lambda: json.loads(ordinary)) for _ in range(3))


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_in_the_time_of_its_length(name: str, most_seconds: float) -> None:
    body = BODIES[name]
    assert len(body) <= MOST_BODY_BYTES
    assert seconds(lambda: parse_json(body)) < most_seconds + 5 * seconds(lambda: json.loads(body))


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_wrong_body_is_explained_in_the_time_of_its_length(
    schema: str, most_seconds: float
) -> None:
    class Things:
        @api.body(SCHEMAS[schema])
        def create(self, request: api.Request, body: Any) -> Any:
            return {}

    router = api.Router()
    router.connect("/", controller=Things(), action="create", methods=["POST"])
    app = api.API(router)
    for name in READABLE:
        before = time.process_time()
        answer = post(app, BODIES[name])
        took = time.process_time() - before
        assert answer.status_code in (200, 400), (name, answer.body)
        assert len(answer.body) < MOST_ANSWER_BYTES, name
        assert took < most_seconds + 5 * seconds(functools.partial(json.loads, BODIES[name])), name


def post(app: api.API, body: bytes) -> webob.Response:
    return wsgi.call(
        app,
        "/",
        "POST",
        body=body,
        Content_Type="application/json",
        Accept="application/problem+json",
    )
