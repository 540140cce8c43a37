"""Lists: pages by key, filters, order, fields, links, and the SQL that finds them."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import operator as python
import random
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from wsgisrv import api
from wsgisrv.api.filters import OPERATORS
from wsgisrv.api.sql import fetch_page
from wsgisrv.api.testing import Client
from wsgisrv.errors import ConfigError

WHOLE = "a whole number from -9223372036854775808 to 9223372036854775807"
QUOTES = 'has to have its double quotes around a whole value, as in "a,b"'
MOMENT = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - as databases keep it


class State(enum.Enum):
    NEW = "new"
    OLD = "old:er"
    SEVENTH = 7


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    size: Mapped[int | None]
    made: Mapped[dt.datetime]

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "size": self.size}


COLUMNS = {**Item.__mapper__.columns, "exact": Item.__mapper__.columns["name"]}
ITEMS = api.Collection(
    "items",
    filters={
        "name": api.Filter(str, OPERATORS),
        "size": api.Filter(int, OPERATORS),
        "made": api.Filter(dt.datetime, OPERATORS),
        "exact": api.Filter(),
    },
    sort_keys=("name", "size"),
    fields=("id", "name", "size"),
    counts=True,
    default_limit=5,
    most_limit=50,
)


class Items:
    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self.engine = engine

    @api.lists(ITEMS)
    def index(self, request: api.Request, page: api.Page) -> dict[str, Any]:
        with Session(self.engine) as session:
            found = fetch_page(session, sqlalchemy.select(Item), page, COLUMNS)
            return page.document(request, [item.as_dict() for item in found.items], found.count)


@pytest.fixture(scope="module")
def engine() -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    Base.metadata.create_all(engine)
    chance = random.Random(7)  # noqa: S311
    with Session(engine) as session:
        for number in range(40):
            size = chance.choice([None, None, 1, 2, 3])
            made = MOMENT + dt.timedelta(days=number)
            session.add(Item(id=f"{number:02}", name=chance.choice("abc"), size=size, made=made))
        session.commit()
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def client(engine: sqlalchemy.Engine) -> Client:
    router = api.Router()
    router.connect("/items", controller=Items(engine), action="index", methods=["GET"])
    return Client(api.API(router))


def listed(client: Client, **query: Any) -> Any:
    return client.get(f"/items?{urlencode(query)}").json


def all_items(client: Client, page: Any = None) -> list[dict[str, Any]]:
    """Returns the items of a page and of all that follow it; by default all that there are."""
    page = page or listed(client, limit=50)
    found: list[dict[str, Any]] = [*page["items"]]
    while "next" in links(page):
        page = client.get(links(page)["next"]).json
        found += page["items"]
    return found


def links(page: Any) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in page.get("links", ())}


ORDERS = ["", "name", "name:desc", "size", "size:desc,name", "name:desc,size", "size,name:desc"]


def in_order(items: list[dict[str, Any]], sort: str) -> list[str]:
    """The oracle: stable sorts from the last key to the first; None after all when it ascends."""
    keys = [entry.partition(":")[::2] for entry in sort.split(",") if entry]
    last = keys[-1][1] if keys else ""
    found = sorted(items, key=lambda item: item["id"], reverse=last == "desc")
    for key, direction in reversed(keys):
        found.sort(
            key=lambda item, key=key: (
                (item[key] is None, item[key] or 0)  # type: ignore[misc]
                if key == "size"
                else item[key]
            ),
            reverse=direction == "desc",
        )
    return [item["id"] for item in found]


@pytest.mark.parametrize("sort", ORDERS)
@pytest.mark.parametrize("limit", [1, 3, 7, 40])
def test_every_item_is_met_once_there_and_back(client: Client, sort: str, limit: int) -> None:
    query = {"limit": limit, **({"sort": sort} if sort else {})}
    page = listed(client, **query)
    pages = [page]
    while "next" in links(page):
        page = client.get(links(page)["next"]).json
        pages.append(page)
    met = [item["id"] for page in pages for item in page["items"]]
    assert met == in_order(all_items(client), sort)
    for expected in reversed(pages[:-1]):
        page = client.get(links(page)["prev"]).json
        assert page["items"] == expected["items"]
    assert "prev" not in links(page)
    assert "next" in links(page) or len(pages) == 1
    assert client.get(links(pages[-1]).get("first", "/items?limit=40")).json["items"]


def test_a_marker_beyond_what_is_shown_tells_nothing(engine: sqlalchemy.Engine) -> None:
    """Of a list that is somebody's own, another's item is no marker; one that a filter hides is."""
    whole = sqlalchemy.select(Item).where(Item.size == 1)
    by_name = {"sort": "name", "limit": "50"}
    with Session(engine) as session:
        mine, *_ = session.scalars(whole.order_by(Item.name, Item.id))
        other = session.scalars(sqlalchemy.select(Item).where(Item.size == 2)).first()
        assert other is not None

        def after(marker: str, **query: str) -> list[Any]:
            page = ITEMS.page([*{**by_name, "marker": marker, **query}.items()])
            return fetch_page(session, whole, page, COLUMNS).items

        assert len(after(mine.id)) == len(list(session.scalars(whole))) - 1
        assert {item.name for item in after(mine.id, name="neq:a")} == {"b", "c"}
        with pytest.raises(api.InvalidFields, match="no such item"):
            after(other.id)


def test_links_lead_to_the_first_page_with_the_same_question(client: Client) -> None:
    page = listed(client, limit=2, name="a", marker="10")
    assert links(page)["first"].endswith("/items?limit=2&name=a")
    assert "links" not in listed(client, limit=50)


@settings(max_examples=100)
@given(st.sampled_from(["eq", "neq", "gt", "gte", "lt", "lte"]), st.integers(0, 4), st.booleans())
def test_a_filter_compares(client: Client, operator: str, value: int, plain: bool) -> None:
    text = str(value) if plain and operator == "eq" else f"{operator}:{value}"
    found = {item["id"] for item in listed(client, limit=50, size=text)["items"]}
    compare = getattr(python, {"neq": "ne", "gte": "ge", "lte": "le"}.get(operator, operator))
    for_null = operator == "neq"  # a client sees null there, which is another value
    assert found == {
        item["id"]
        for item in all_items(client)
        if (for_null if item["size"] is None else compare(item["size"], value))
    }


def test_filters_are_all_kept(client: Client) -> None:
    found = listed(client, limit=50, name="in:a,b", size="nin:1,2", made="lt:2026-01-20T00:00:00Z")
    assert found["items"]
    for item in found["items"]:
        assert item["name"] in "ab"
        assert item["size"] in (None, 3)
        assert item["id"] < "20"


def test_a_filter_without_operators_takes_any_text(client: Client) -> None:
    assert listed(client, exact="in:a")["items"] == []
    assert (
        listed(client, exact="a", limit=50)["items"] == listed(client, name="a", limit=50)["items"]
    )


def test_fields_and_count_are_given_when_asked(client: Client) -> None:
    page = listed(client, fields="name,id", with_count="true", name="a", limit=1)
    assert page["count"] == len([item for item in all_items(client) if item["name"] == "a"])
    assert [list(item) for item in page["items"]] == [["name", "id"]]
    assert "count" not in listed(client)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=-1", "?limit: has to be a whole number from 1 to 50"),
        ("limit=51", "?limit: has to be a whole number from 1 to 50"),
        ("limit=" + "9" * 5000, "?limit: has to be a whole number from 1 to 50"),
        ("sort=weight", "?sort: has to name keys of name, size"),
        ("sort=name:up", "?sort: a direction has to be asc or desc"),
        ("sort=name,name:desc", "?sort: has to name at most 5 keys, and each once"),
        ("sort=", "?sort: has to name keys of name, size"),
        ("fields=id,name,id", "?fields: has to name each field once"),
        ("fields=id,secret", "?fields: 'secret' is not known; there are id, name, size"),
        ("size=x", f"?size: has to be {WHOLE}"),
        ("size=9999999999", "?size: has to be a whole number from -2147483648 to 2147483647"),
        ("limit=1&limit=2", "?limit: may stand once only"),
        ("&".join(["name=a"] * 11), "?name: may stand at most 10 times"),
        ("name=in:%22a", f"?name: {QUOTES}"),
        ("name=in:%22a%22b", f"?name: {QUOTES}"),
        ("name=in:a%22b,c", f"?name: {QUOTES}"),
        ("name=in:a,", "?name: has to have 1 to 255 characters"),
        ("size=like:7", f"?size: takes the operators {', '.join(OPERATORS)}"),
        ("marker=%00", "?marker: may not have a NUL character"),
        ("size=gt:", f"?size: has to be {WHOLE}"),
        ("made=yesterday", "?made: has to be a time, as in 2026-01-31T12:00:00Z"),
        ("made=0001-01-01T00:00:00%2B23:00", "?made: has to be a time, as in 2026-01-31T12:00:00Z"),
        ("with_count=1", "?with_count: has to be true or false"),
        ("name=%00", "?name: may not have a NUL character"),
        ("marker=gone&sort=name", "?marker: there is no such item any more"),
        ("x=1", f"?x: is not known; there are {', '.join(ITEMS.parameters)}"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_named(client: Client, query: str, detail: str) -> None:
    assert client.errors(client.get(f"/items?{query}", status=400)) == [detail]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"default_limit": 0}, "default_limit = 0: has to be from 1 to most_limit, 1000"),
        ({"default_limit": 20, "most_limit": 10}, "default_limit = 20"),
        ({"sort_keys": ("a",), "default_sort": "b"}, "default_sort = 'b': has to name keys of a"),
        ({"filters": {"limit": api.Filter()}}, "the filter limit has the name of another"),
        ({"default_limit": "5"}, "default_limit = '5': has to be a whole number"),
        ({"most_limit": True}, "most_limit = True: has to be a whole number"),
        ({"sort_keys": "title"}, "sort_keys = 'title': has to be a tuple of names"),
        ({"sort_keys": ("a:b",)}, "'a:b' is no name"),
        ({"sort_keys": ("c,d",)}, "'c,d' is no name"),
        ({"fields": "id"}, "fields = 'id': has to be a tuple of names"),
        ({"fields": (7,)}, "7 is no name"),
        ({"unique": ""}, "'' is no name"),
        ({"key": "links"}, "key = 'links': is a key of every answer"),
        ({"key": "count"}, "key = 'count': is a key of every answer"),
        ({"default_sort": "id"}, "default_sort = 'id': there are no sort_keys"),
        ({"default_sort": ("a",), "sort_keys": ("a",)}, "default_sort = ('a',): has to be a text"),
        ({"filters": ["a"]}, "filters = ['a']: has to be a dict of Filter by name"),
        ({"filters": {"a": int}}, "the filter a: <class 'int'> is no Filter"),
        ({"filters": {"a b": api.Filter()}}, "'a b' is no name"),
        ({"filters": {"a": api.Filter(int, "eq")}}, "the filter a: operators = 'eq': has to be"),
        ({"filters": {"a": api.Filter(bool, OPERATORS)}}, "the filter a: bool has no order"),
        ({"filters": {"a": api.Filter(State, ("gt",))}}, "the filter a: State has no order"),
        ({"marker": "id"}, "marker = 'id': has to be a kind or a function"),
        ({"item": "id"}, "item = 'id': has to be a JSON Schema"),
        ({"filters": {"a": api.Filter(list)}}, "the filter a: no kind <class 'list'>"),
        ({"filters": {"a": api.Filter(int, ("eq", "like"))}}, "the filter a: operators are some"),
        ({"filters": {"a": api.Filter(int, ())}}, "the filter a: operators are some of eq, neq"),
    ],
)
def test_a_collection_that_does_not_fit_together_fails_at_start(
    wrong: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        api.Collection(**{"key": "things", **wrong})
    assert str(caught.value).startswith(f"{__file__}:")
    assert f": the collection {wrong.get('key', 'things')}: {complaint}" in str(caught.value)


def condition(declared: api.Filter, text: str) -> tuple[str, Any]:
    (found,) = api.Collection("things", filters={"a": declared}).page([("a", text)]).conditions
    return found.operator, found.value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (float, "1e3", 1000.0),
        (float, "-.5", -0.5),
        (float, "5.", 5.0),
        (decimal.Decimal, "12345678901234567890.10", decimal.Decimal("12345678901234567890.10")),
        (int, str(-(2**63)), -(2**63)),
        (dt.date, "2026-01-31", dt.date(2026, 1, 31)),
        (dt.datetime, "2026-01-01T01:00:00+01:00", MOMENT),
        (uuid.UUID, f"{uuid.UUID(int=10)}".upper(), uuid.UUID(int=10)),
        (State, "new", State.NEW),
        (State, "old:er", State.OLD),
        (State, "7", State.SEVENTH),
        (bool, "FALSE", False),
        (str, "null", "null"),
    ],
)
def test_a_value_is_read_by_its_kind(kind: type, text: str, value: Any) -> None:
    assert condition(api.Filter(kind), text) == ("eq", value)
    assert condition(api.Filter(kind, ("eq", "in")), f"eq:{text}") == ("eq", value)
    assert condition(api.Filter(kind, ("eq", "in")), text) == ("eq", value)
    assert condition(api.Filter(kind, ("eq", "in")), f"in:{text}") == ("in", [value])


@pytest.mark.parametrize(
    ("kind", "texts", "detail"),
    [
        (int, ["1_0", "+5", " 5", "\u0661", "1.0", str(2**63)], f"has to be {WHOLE}"),
        (float, ["NaN", "Infinity", "1e999", ".", "", "e5", "1,5"], "has to be a number"),
        (decimal.Decimal, ["NaN", "1_0", "\u0661"], "has to be a number"),
        (
            dt.date,
            ["20260131", "2026-02-30", "2026-01-31T00:00"],
            "has to be a date, as in 2026-01-31",
        ),
        (
            uuid.UUID,
            ["abc", f"{{{uuid.UUID(int=1)}}}", "0" * 32],
            "has to be a UUID, with its hyphens",
        ),
        (State, ["NEW", "", "old"], "has to be one of new, old:er, 7"),
    ],
)
def test_what_is_no_value_of_its_kind_is_refused(kind: type, texts: list[str], detail: str) -> None:
    for text in texts:
        with pytest.raises(api.InvalidFields) as caught:
            condition(api.Filter(kind), text)
        assert caught.value.problems == {"?a": detail}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("null", ("eq", None)),
        ("eq:null", ("eq", None)),
        ("neq:null", ("neq", None)),
        ('"null"', ("eq", "null")),
        ('eq:"null"', ("eq", "null")),
        ("gt:null", ("gt", "null")),
        ("in:null,a", ("in", [None, "a"])),
        ('in:"null",a', ("in", ["null", "a"])),
    ],
)
def test_null_is_no_text_where_a_value_may_be_missing(text: str, expected: Any) -> None:
    assert condition(api.Filter(str, OPERATORS, nullable=True), text) == expected


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), min_size=1)
)
def test_any_text_may_be_in_a_list_within_quotes(texts: list[str]) -> None:
    texts = [f"x{text}" for text in texts]
    quoted = ",".join('"{}"'.format(text.replace('"', '""')) for text in texts)
    assert condition(api.Filter(str, OPERATORS), f"nin:{quoted}") == ("nin", texts)


def test_of_a_filter_that_stands_several_times_all_conditions_hold(client: Client) -> None:
    page = client.get("/items?limit=2&size=gte:1&size=lt:3&size=neq:7").json
    assert {item["size"] for item in all_items(client, page)} == {1, 2}
    expected = [item["id"] for item in all_items(client) if item["size"] in (1, 2)]
    assert [item["id"] for item in all_items(client, page)] == expected


def test_a_field_that_an_item_does_not_have_is_left_out() -> None:
    things = api.Collection("things", fields=("id", "note"))
    page = things.page([("fields", "note,id")])
    request = api.Request.blank("/things")
    found = page.document(request, [{"id": 1}, {"id": 2, "note": "x"}])
    assert found == {"things": [{"id": 1}, {"note": "x", "id": 2}]}


def test_a_marker_is_read_by_its_kind() -> None:
    for kind, text, value in (
        (str, "a", "a"),
        (int, "7", 7),
        (uuid.UUID, str(uuid.UUID(int=7)), uuid.UUID(int=7)),
        (lambda text: text[::-1], "ab", "ba"),
    ):
        things = api.Collection("things", marker=kind, marker_means="a thing's id")
        assert things.page([("marker", text)]).marker == value
    with pytest.raises(api.InvalidFields, match="marker: has to be a thing's id"):
        api.Collection("things", marker=int, marker_means="a thing's id").page([("marker", "1_0")])


def test_what_a_list_needs_and_has_no_column_for_is_named(engine: sqlalchemy.Engine) -> None:
    wrong = api.Collection(
        "items", sort_keys=("name", "weight"), unique="uuid", filters={"x": api.Filter()}
    )
    columns = dict(Item.__mapper__.columns)
    with Session(engine) as session, pytest.raises(ConfigError) as caught:
        fetch_page(session, sqlalchemy.select(Item), wrong.page([]), columns)
    assert str(caught.value).startswith(f"{__file__}:")
    assert str(caught.value).endswith("fetch_page has no column for uuid, weight, x")


def test_a_statement_that_selects_no_entity_is_refused(engine: sqlalchemy.Engine) -> None:
    with Session(engine) as session, pytest.raises(ConfigError, match="that selects an entity"):
        fetch_page(session, sqlalchemy.select(Item.__table__), ITEMS.page([]), COLUMNS)


def test_an_item_without_its_unique_key_is_named() -> None:
    page = api.Collection("things", unique="uuid").page([("limit", "1")])
    with pytest.raises(ConfigError, match="an item has no 'uuid', which is the unique key"):
        page.document(api.Request.blank("/things"), [{"id": 1}, {"id": 2}])


def test_a_page_is_one_statement(engine: sqlalchemy.Engine) -> None:
    """The marker's place is found in the statement itself, so no other transaction comes between."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sqlalchemy.event.listen(engine, "before_cursor_execute", note)
    with Session(engine) as session:
        query = [("sort", "name,size:desc"), ("marker", "10"), ("limit", "3")]
        assert fetch_page(session, sqlalchemy.select(Item), ITEMS.page(query), COLUMNS).items
    sqlalchemy.event.remove(engine, "before_cursor_execute", note)
    assert len(statements) == 1


def test_values_are_bound_and_never_sql(client: Client) -> None:
    for text in ("a' or '1'='1", "a%", "_", 'a"; drop table items; --'):
        assert listed(client, name=text)["items"] == []
        assert listed(client, marker=text, limit=50)
    assert len(all_items(client)) == 40
