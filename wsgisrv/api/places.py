"""Places in a schema: where an error of jsonschema-rs happened, and what stands around it there.

Rules: pure. A place that is not found has nothing around it; the error itself says the keyword's value.

Facts about jsonschema-rs 0.61: an error's ``schema_path`` begins at the root, or at the innermost ``$id`` on
the way to it; then ``absolute_keyword_location`` has that URI before its ``#``. What ``$ref`` and
``$dynamicRef`` lead to has the path of where it stands. Names that are "" are left out of all its paths,
and names of digits are numbers there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from wsgisrv.api.subschemas import inner


class Places:
    """The places of one schema."""

    __slots__ = ("_schemas",)

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schemas = {"": schema, **dict(_identified(schema, ""))}

    def of(self, error: Any) -> tuple[Mapping[str, Any], str]:
        """Returns the schema around an error's keyword, and the keyword."""
        uri = (error.absolute_keyword_location or "").partition("#")[0]
        found: Any = self._schemas.get(uri, {})
        *way, keyword = error.schema_path or [""]
        for step in way:
            try:
                found = found[str(step) if isinstance(found, Mapping) else step]
            except (KeyError, IndexError, TypeError):
                return {}, str(keyword)
        return (found if isinstance(found, Mapping) else {}), str(keyword)


def _identified(schema: Mapping[str, Any], base: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    identity = schema.get("$id")
    if isinstance(identity, str):
        base = urljoin(base, identity)
        yield base.removesuffix("#"), schema
    for part in inner(schema):
        yield from _identified(part, base)
