"""A page as a SQLAlchemy query: filters, order, the place of the marker, the limit.

Rules: imports SQLAlchemy, which only a service that uses this needs. Every value is bound, never written
into SQL, and first made what its column holds. A page is found by comparison with the marker's keys, never
by OFFSET, which would read all that lies before it.

Facts:

- What a driver makes of a FLOAT, a REAL or SQLite's NUMERIC is often not the value that is stored, so the
  marker's keys do not leave the database: ``name >= (SELECT name ... WHERE id = :marker)``. Looked up by its
  primary key, such a subquery is a constant to SQLite, PostgreSQL 15 and MariaDB 10.11: of 100,000 rows,
  page 1000 took as long as page 2 (1.0, 1.5 and 1.9 ms for 100 rows).
- ``a >= x AND (a > x OR id > y)`` lets all three begin at x in an index on (a, id); without its first half
  they read the index from its start.
- Where NULL is sorted differs between them, so what may be NULL is sorted by ``a IS NULL`` first: NULL comes
  last when it ascends, and no index helps.
- MariaDB sorts an ENUM by its number and compares it as a text; so all sort it as a text.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import operator
import uuid
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy.orm import Session

from wsgisrv.api.faults import InvalidFields
from wsgisrv.api.filters import Condition, WrongValueError, in_bits, read_value
from wsgisrv.api.pagination import Collection, Page

_COMPARISONS: Mapping[str, Any] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_SINGLE_BITS = 24
_SINGLE = (1e-37, 3e38)
"""Within what single precision has: CAST to it fails beyond."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What ``fetch_page`` found: ``items`` for Page.document, and the count where it was asked for."""

    items: list[Any]
    count: int | None


class _Key(NamedTuple):
    """What is sorted by.

    Args:
        descends: on the way that the page is read.
        may_be_null: then the key before says whether it is.
        is_selected: whether the statement selects it by itself.
    """

    column: Any
    descends: bool
    may_be_null: bool = False
    is_selected: bool = True


def fetch_page(
    session: Session, statement: sqlalchemy.Select[Any], page: Page, columns: Mapping[str, Any]
) -> Found:
    """Returns the items of a page, with one more when there are more.

    Args:
        statement: selects one entity, with whatever conditions and joins the caller has; no order, no limit.
            Where joins give several rows of one item it is shown once, but counted once only if the
            statement is distinct.
        columns: or expressions, by the names that the collection's filters and sort keys have, the unique
            key too. Only what is a NOT NULL column of the entity's own table is sorted by an index.

    Raises:
        InvalidFields: when the order needs the marker's item and it is not there; when a column cannot hold
            the value that it is compared with.
        ConfigError: when a column is missing, or the statement selects no entity.
    """
    _check_columns(page.collection, columns)
    whole = statement
    entity = statement.column_descriptions[0].get("entity")
    if entity is None:
        raise page.collection.wrong("fetch_page takes a statement that selects an entity")
    may_be_null = _Nullability(entity)
    for condition in page.conditions:
        column = columns[condition.name]
        statement = statement.where(_compared(column, condition, may_be_null(column)))
    count = None
    if page.with_count:
        within = statement.order_by(None).subquery()
        count = session.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(within))
    keys = _keys(page, columns, may_be_null)
    marked = None
    if page.marker is not None:
        unique = columns[page.collection.unique]
        marker = _marker(page, unique)
        marked = whole.where(unique == marker).limit(1)
        statement = statement.where(_beyond(keys, marker, marked))
    shown = [key.column if key.is_selected else key.column.label(None) for key in keys]
    order = [c.desc() if key.descends else c.asc() for c, key in zip(shown, keys, strict=True)]
    # A DISTINCT that is ordered by what it does not select is an error in PostgreSQL.
    more = [c for c, key in zip(shown, keys, strict=True) if not key.is_selected]
    query = statement.add_columns(*more).order_by(*order)
    items = _items(session, query, page.limit + 1)
    # By its own id alone, the marker need not be there any more; else nothing comes after what is not there.
    if not items and marked is not None and len(keys) > 1 and not _is_there(session, marked):
        raise InvalidFields({"?marker": "there is no such item any more"})
    return Found(items[::-1] if page.reverse else items, count)


def _check_columns(collection: Collection, columns: Mapping[str, Any]) -> None:
    needed = (collection.unique, *collection.sort_keys, *collection.filters)
    missing = [name for name in needed if name not in columns]
    if missing:
        raise collection.wrong(f"fetch_page has no column for {', '.join(dict.fromkeys(missing))}")


class _Nullability:
    """Whether a column may be NULL in what a statement selects, of which ``entity`` is the first."""

    def __init__(self, entity: Any) -> None:
        self._own: Any = sqlalchemy.inspect(entity).selectable.c

    def __call__(self, column: Any) -> bool:
        """Whether it may; also of another table's, which a join may leave out, and of expressions."""
        found = column.expression
        return not isinstance(found, sqlalchemy.Column) or (
            bool(found.nullable) or not self._own.contains_column(found)
        )


def _compared(column: Any, condition: Condition, may_be_null: bool) -> Any:
    """Returns the condition; where it says what a value is not, NULL is none of these."""
    try:
        if condition.operator in ("in", "nin"):
            return _compared_with_all(column, condition, may_be_null)
        if condition.value is None:
            return column.is_(None) if condition.operator == "eq" else column.is_not(None)
        value = _bound(column, condition.value)
    except WrongValueError as error:
        raise InvalidFields({f"?{condition.name}": str(error)}) from None
    found = _COMPARISONS[condition.operator](column, value)
    if condition.operator == "neq" and may_be_null:
        return sqlalchemy.or_(found, column.is_(None))
    return found


def _compared_with_all(column: Any, condition: Condition, may_be_null: bool) -> Any:
    values = [_bound(column, value) for value in condition.value if value is not None]
    has_null = len(values) < len(condition.value)
    if condition.operator == "in":
        found = column.in_(values)
        return sqlalchemy.or_(found, column.is_(None)) if has_null else found
    found = column.not_in(values)
    if has_null:
        return sqlalchemy.and_(found, column.is_not(None))
    return sqlalchemy.or_(found, column.is_(None)) if may_be_null else found


def _marker(page: Page, unique: Any) -> Any:
    try:
        return _bound(unique, page.marker)
    except WrongValueError:
        means = page.collection.marker_means
        raise InvalidFields({"?marker": f"has to be {means}"}) from None


def _bound(column: Any, value: Any) -> Any:
    """Returns the value as the column is compared with it.

    Raises:
        WrongValueError: when the column cannot hold it.
    """
    kind = column.type
    if isinstance(kind, sqlalchemy.Enum):
        return _enumerated(kind, value)
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(kind, sqlalchemy.String):
        return str(value)
    if isinstance(value, str):
        value = _read(kind, value)
    if isinstance(kind, sqlalchemy.Integer):
        return _whole(kind, value)
    if isinstance(kind, sqlalchemy.DateTime) and isinstance(value, dt.date):
        if not isinstance(value, dt.datetime):
            value = dt.datetime.combine(value, dt.time())
        return value.replace(tzinfo=dt.UTC if kind.timezone else None)
    if isinstance(kind, sqlalchemy.Uuid) and isinstance(value, uuid.UUID):
        return value if kind.as_uuid else str(value)
    if isinstance(kind, sqlalchemy.Float):
        return sqlalchemy.cast(value, _float(kind, value))
    return value


def _read(kind: Any, text: str) -> Any:
    """Returns what a text is in a column of another kind; of one that is not known, the text."""
    if isinstance(kind, sqlalchemy.Uuid):
        return read_value(uuid.UUID, text)
    for type_, read_as in _READ_AS.items():
        if isinstance(kind, type_):
            return read_value(read_as, text)
    return text


_READ_AS: Mapping[Any, type] = {
    sqlalchemy.Integer: int,
    sqlalchemy.Boolean: bool,
    sqlalchemy.DateTime: dt.datetime,
    sqlalchemy.Date: dt.date,
    sqlalchemy.Float: float,
    sqlalchemy.Numeric: decimal.Decimal,
}


def _whole(kind: sqlalchemy.Integer, value: Any) -> Any:
    if not isinstance(value, int):
        return sqlalchemy.literal(value)  # as what it is: it would be rounded as an integer
    bits = {sqlalchemy.SmallInteger: 16, sqlalchemy.BigInteger: 64}
    return in_bits(value, next((n for type_, n in bits.items() if isinstance(kind, type_)), 32))


def _float(kind: sqlalchemy.Float[Any], value: Any) -> Any:
    """Returns the type to compare with: 1.1 is another number in single precision.

    Single are FLOAT in MariaDB, REAL in PostgreSQL, and a precision of at most 24 bits in both.
    """
    precision = kind.precision or 0
    if isinstance(kind, sqlalchemy.Double) or precision > _SINGLE_BITS:
        return sqlalchemy.Double()
    if not _SINGLE[0] < abs(value) < _SINGLE[1]:
        return sqlalchemy.Double()
    if isinstance(kind, sqlalchemy.REAL):
        return sqlalchemy.REAL().with_variant(sqlalchemy.Double(), "mysql", "mariadb")
    if precision:
        return sqlalchemy.REAL().with_variant(sqlalchemy.Float(), "mysql", "mariadb")
    return kind


def _enumerated(kind: sqlalchemy.Enum, value: Any) -> Any:
    """Returns the value if it is one of the column's: its name is what the database has."""
    if kind.enum_class is not None and isinstance(value, kind.enum_class):
        return value
    text = str(value.value) if isinstance(value, enum.Enum) else str(value)
    if text not in kind.enums:
        raise WrongValueError(f"has to be one of {', '.join(kind.enums)}")
    return text


def _keys(page: Page, columns: Mapping[str, Any], may_be_null: _Nullability) -> list[_Key]:
    """Returns the keys of the page's order; the last one is the unique key."""
    *names, (unique, is_last_down) = page.sort
    keys: list[_Key] = []
    for name, is_down in names:
        column, descends = columns[name], is_down != page.reverse
        is_null = may_be_null(column)
        if is_null:
            said = sqlalchemy.case((column.is_(None), 1), else_=0)
            keys.append(_Key(said, descends, is_selected=False))
        is_enum = isinstance(column.type, sqlalchemy.Enum)
        if is_enum:
            column = sqlalchemy.cast(column, sqlalchemy.String)
        keys.append(_Key(column, descends, is_null, is_selected=not is_null and not is_enum))
    return [*keys, _Key(columns[unique], is_last_down != page.reverse)]


def _beyond(keys: Sequence[_Key], marker: Any, marked: sqlalchemy.Select[Any]) -> Any:
    """Returns the condition for what comes after the marker in the order of the keys.

    Args:
        marker: the value of the last key.
        marked: selects the marker's item among all that the caller shows: nobody learns of an item beyond
            it that there is one, or where in the order it stands. The filters of the page it need not pass
            any more.
    """
    key, *others = keys
    if not others:
        return key.column < marker if key.descends else key.column > marker
    value = _subquery(marked, key.column)
    strictly = key.column < value if key.descends else key.column > value
    within = key.column <= value if key.descends else key.column >= value
    if key.may_be_null:  # and so is the marker's: the key before is the same
        within = sqlalchemy.or_(within, key.column.is_(None))
    return sqlalchemy.and_(within, sqlalchemy.or_(strictly, _beyond(others, marker, marked)))


def _subquery(marked: sqlalchemy.Select[Any], column: Any) -> Any:
    only = marked.with_only_columns(column, maintain_column_froms=True)
    return only.correlate(None).scalar_subquery()


def _is_there(session: Session, marked: sqlalchemy.Select[Any]) -> bool:
    one = marked.with_only_columns(sqlalchemy.literal(1), maintain_column_froms=True)
    return session.scalar(one) is not None


def _items(session: Session, query: sqlalchemy.Select[Any], most: int) -> list[Any]:
    """Returns the first items, each once: joins may give several rows of one."""
    asked = most
    while True:
        rows = 0

        def count(row: sqlalchemy.Row[Any]) -> Hashable:
            nonlocal rows
            rows += 1
            return id(row[0])

        # unique() is what joinedload() of a collection needs; its rows are not limited, but its items are.
        items = [row[0] for row in session.execute(query.limit(asked)).unique(count)]
        if len(items) >= most or rows != asked:
            return items[:most]
        asked *= 2
