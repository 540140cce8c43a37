"""A check of schemathesis: what fits the document is accepted, but for the exceptions that are named here.

Rules: loaded by schemathesis itself. An exception is a text of the service's and why it may refuse what fits.
"""

from __future__ import annotations

import re
from typing import Any

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

EXCEPTIONS = {
    r"/isbn: has a wrong check digit": "which is no pattern",
    r"/year: has to be a whole number or null": "2496.0 is one to JSON Schema, and not to this API",
    r"\?marker: .*": "what a marker looks like is the collection's own business",
    r"\?sort: has to name at most .*": "a pattern does not say that each key stands once",
    r"\?(year|created_at|lent_at): .*": "a filter's schema is any text, for its operators",
    r"\?(title|author|name|to): has to have 1 to 255 characters": "blanks alone are no text",
    r"\?(title|author|name|to): may not have a NUL character": "nor can a database keep it",
    r"the header If-(None-)?Match has to be \* or ETags in quotes": "0, where a value in quotes is too hard",
}
"""For each detail of an error, as a regular expression, why the document does not say it."""


@schemathesis.check  # type: ignore[untyped-decorator]
def accepts_what_fits(ctx: Any, response: Any, case: Any) -> bool | None:
    """As positive_data_acceptance, for what no exception is about."""
    if response.status_code == 400 and all(
        any(re.fullmatch(known, error["detail"]) for known in EXCEPTIONS)
        for error in response.json()["errors"]
    ):
        return None
    found: bool | None = positive_data_acceptance(ctx, response, case)
    return found
