"""Lists: pages by key, filters, order, fields, links, and the SQL that finds them."""

from __future__ import annotations

import datetime as dt
import operator as python
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from wsgisrv import api
from wsgisrv.api.pagination import OPERATORS
from wsgisrv.api.sql import fetch_page
from wsgisrv.api.testing import Client
from wsgisrv.errors import ConfigError

MOMENT = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - as databases keep it


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
        columns = {**Item.__mapper__.columns, "exact": Item.__mapper__.columns["name"]}
        with Session(self.engine) as session:
            found = fetch_page(session, sqlalchemy.select(Item), page, columns)
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


def all_items(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = listed(client, limit=50)["items"]
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
            page = ITEMS.page({**by_name, "marker": marker, **query})
            return fetch_page(session, whole, page, dict(Item.__mapper__.columns)).items

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
    items = [item for item in all_items(client) if item["size"] is not None]
    assert found == {item["id"] for item in items if compare(item["size"], value)}


def test_filters_are_all_kept(client: Client) -> None:
    found = listed(client, limit=50, name="in:a,b", size="nin:1,2", made="lt:2026-01-20T00:00:00Z")
    assert found["items"]
    for item in found["items"]:
        assert item["name"] in "ab"
        assert item["size"] == 3
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
        ("fields=id,secret", "?fields: 'secret' is not known; there are id, name, size"),
        ("size=x", "?size: has to be a whole number of at most 15 digits"),
        ("size=like:7", f"?size: takes the operators {', '.join(OPERATORS)}"),
        ("marker=%00", "?marker: may not have a NUL character"),
        ("size=gt:", "?size: has to be a whole number of at most 15 digits"),
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
        ({"filters": {"a": api.Filter(list)}}, "the filter a: no kind <class 'list'>"),
        ({"filters": {"a": api.Filter(int, ("eq", "like"))}}, "the filter a: operators are some"),
        ({"filters": {"a": api.Filter(int, ())}}, "the filter a: operators are some of eq, neq"),
    ],
)
def test_a_collection_that_does_not_fit_together_fails_at_start(
    wrong: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        api.Collection("things", **wrong)
    assert str(caught.value).startswith(f"{__file__}:")
    assert f": the collection things: {complaint}" in str(caught.value)


def test_values_are_bound_and_never_sql(client: Client) -> None:
    for text in ("a' or '1'='1", "a%", "_", 'a"; drop table items; --'):
        assert listed(client, name=text)["items"] == []
        assert listed(client, marker=text, limit=50)
    assert len(all_items(client)) == 40
