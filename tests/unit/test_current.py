"""The current request: its id, and what a greenlet that outlives it keeps of it."""

from __future__ import annotations

import contextvars
import re

from wsgisrv.current import CURRENT, REQUEST_ID, carried, request_id

OTHER = contextvars.ContextVar("other", default=0)


def within(environ: dict[str, object]) -> contextvars.Context:
    context = contextvars.copy_context()
    context.run(CURRENT.set, environ)
    return context


def test_outside_of_a_request_there_is_no_id_and_nothing_is_carried() -> None:
    assert request_id() == ""
    assert carried().get(CURRENT) is None


def test_a_request_without_an_id_gets_one_and_keeps_it() -> None:
    environ: dict[str, object] = {}
    context = within(environ)
    name = context.run(request_id)
    assert re.fullmatch("req-[0-9a-f-]{36}", name)
    assert (context.run(request_id), environ) == (name, {REQUEST_ID: name})


def test_what_is_spawned_has_all_variables_but_of_the_request_its_id_only() -> None:
    environ: dict[str, object] = {REQUEST_ID: "req-1", "wsgi.input": object()}
    context = within(environ)
    context.run(OTHER.set, 7)
    spawned = context.run(carried)
    assert spawned.get(CURRENT) == {REQUEST_ID: "req-1"}
    assert spawned.get(OTHER) == 7
    assert context.get(CURRENT) is environ
