"""A page as a SQLAlchemy query: filters, order, the place of the marker, the limit.

Rules: imports SQLAlchemy, which only a service that uses this needs. Every value is bound, never written
into SQL. A page is found by comparison with the marker's keys, never by OFFSET, which would read all that
lies before it.

Facts: ``a >= x AND (a > x OR id > y)`` lets SQLite, MySQL and PostgreSQL begin at x in an index on (a, id);
without its first half they read the index from its start. Where NULL is sorted differs between them, so a
column that may be NULL is sorted by ``column IS NULL`` first: NULL comes last when it ascends, and no index
helps.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy.orm import Session

from wsgisrv.api.faults import InvalidFields
from wsgisrv.api.pagination import Condition, Page

_COMPARISONS: Mapping[str, Any] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What ``fetch_page`` found: ``items`` for Page.document, and the count where it was asked for."""

    items: list[Any]
    count: int | None


def fetch_page(
    session: Session, statement: sqlalchemy.Select[Any], page: Page, columns: Mapping[str, Any]
) -> Found:
    """Returns the items of a page, with one more when there are more.

    Args:
        statement: selects one entity, with whatever conditions the caller has; no order, no limit.
        columns: by the names that the collection's filters and sort keys have, the unique key too.

    Raises:
        InvalidFields: when the order needs the marker's item and it is not there.
    """
    whole = statement
    statement = statement.where(*(_compared(columns[c.name], c) for c in page.conditions))
    count = None
    if page.with_count:
        within = statement.order_by(None).subquery()
        count = session.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(within))
    keys = _keys(page, columns)
    if page.marker is not None:
        values = _values(session, page, whole, columns[page.collection.unique], keys)
        statement = statement.where(_beyond(keys, values))
    order = [column.desc() if descends else column.asc() for column, descends in keys]
    query = statement.order_by(*order).limit(page.limit + 1)
    items = list(session.scalars(query))
    return Found(items[::-1] if page.reverse else items, count)


def _compared(column: Any, condition: Condition) -> Any:
    if condition.operator == "in":
        return column.in_(condition.value)
    if condition.operator == "nin":
        return column.not_in(condition.value)
    return _COMPARISONS[condition.operator](column, condition.value)


def _keys(page: Page, columns: Mapping[str, Any]) -> list[tuple[Any, bool]]:
    """Returns each column to sort by and whether it descends, on the way that the page is read."""
    keys: list[tuple[Any, bool]] = []
    for name, descends in page.sort:
        column = columns[name]
        if getattr(column, "nullable", False):
            is_null = sqlalchemy.case((column.is_(None), 1), else_=0)
            keys.append((is_null, descends != page.reverse))
        keys.append((column, descends != page.reverse))
    return keys


def _values(
    session: Session,
    page: Page,
    whole: sqlalchemy.Select[Any],
    unique: Any,
    keys: Sequence[tuple[Any, bool]],
) -> Sequence[Any]:
    """Returns the marker's keys. By its own id alone an item need not be there any more.

    Args:
        whole: selects all that the caller shows: nobody learns of an item beyond it that there is one, or
            where in the order it stands. The filters of the page it need not pass any more.
    """
    if len(keys) == 1:
        return [page.marker]
    marked = whole.with_only_columns(*(column for column, _ in keys), maintain_column_froms=True)
    row = session.execute(marked.where(unique == page.marker)).first()
    if row is None:
        raise InvalidFields({"?marker": "there is no such item any more"})
    return row


def _beyond(keys: Sequence[tuple[Any, bool]], values: Sequence[Any]) -> Any:
    """Returns the condition for what comes after the values in the order of the keys."""
    (column, descends), *others = keys
    value = values[0]
    if value is None:
        # The key before said that it is NULL, and so are all that follow it with the same answer.
        return sqlalchemy.and_(column.is_(None), _beyond(others, values[1:]))
    strictly = column < value if descends else column > value
    if not others:
        return strictly
    within = column <= value if descends else column >= value
    return sqlalchemy.and_(within, sqlalchemy.or_(strictly, _beyond(others, values[1:])))
