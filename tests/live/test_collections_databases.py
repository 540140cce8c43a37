"""Lists over SQLite, PostgreSQL and MariaDB, by all kinds of columns."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column, relationship

from tests.support.databases import Database
from wsgisrv import api
from wsgisrv.api.filters import OPERATORS
from wsgisrv.api.sql import fetch_page
from wsgisrv.api.testing import Client

pytestmark = pytest.mark.filterwarnings("ignore:.*support Decimal objects natively")

DRIVERS = ["sqlite", "postgresql+psycopg2", "postgresql+psycopg", "mysql+pymysql", "mysql+mysqldb"]
COUNT = 40
EQUALITY = ("eq", "neq", "in", "nin")
MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class State(enum.Enum):
    NEW = "new"  # sorted by number in MariaDB and PostgreSQL, so neither by name nor by value
    OLD = "old"
    GONE = "gone"


class Base(DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("items.id"))


class Item(Base):
    __tablename__ = "items"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    small: Mapped[int] = mapped_column(sa.SmallInteger)
    big: Mapped[int | None] = mapped_column(sa.BigInteger)
    active: Mapped[bool]
    is_known: Mapped[bool | None]
    price: Mapped[float] = mapped_column(sa.Float)
    real: Mapped[float | None] = mapped_column(sa.REAL)
    double: Mapped[float] = mapped_column(sa.Double)
    coarse: Mapped[float] = mapped_column(sa.Float(24))
    amount: Mapped[decimal.Decimal] = mapped_column(sa.Numeric)
    exact: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(30, 13))
    title: Mapped[str | None] = mapped_column(sa.String(50))
    made: Mapped[dt.datetime | None]
    at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
    day: Mapped[dt.date]
    state: Mapped[State]
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey("owners.id"))
    owner: Mapped[Owner | None] = relationship()
    tags: Mapped[list[Tag]] = relationship()


def make_rows(session: Session) -> None:
    chance = random.Random(7)  # noqa: S311
    names = ["z", "y", "x"]
    session.add_all(Owner(id=number, name=name) for number, name in enumerate(names, 1))
    session.flush()
    for number in range(1, COUNT + 1):
        session.add(
            Item(
                id=uuid.UUID(int=chance.getrandbits(128), version=4),
                number=number,
                small=number % 3,
                big=chance.choice([None, 2**40]),
                active=number % 2 == 0,
                is_known=chance.choice([None, True, False]),
                price=chance.choice([0.1, 1.1, 1 / 3]),
                real=chance.choice([None, 0.1, 1.1, 1 / 3]),
                double=chance.choice([0.1, 1.1, 1 / 3]),
                coarse=chance.choice([0.1, 1.1, 1 / 3]),
                amount=decimal.Decimal("0.1234567890123") + decimal.Decimal(number) / 10**12,
                exact=decimal.Decimal("0.1234567890123") + decimal.Decimal(number % 5) / 10**12,
                title=chance.choice([None, "a", "B", "b", "a,b", 'q"q']),
                made=None if number % 3 == 0 else dt.datetime(2026, 1, number % 28 + 1),  # noqa: DTZ001
                at=MOMENT + dt.timedelta(hours=number % 24),
                day=dt.date(2026, 1, number % 28 + 1),
                state=chance.choice(list(State)),
                owner_id=chance.choice([None, 1, 2, 3]),
            )
        )
    session.flush()
    for item in session.scalars(sa.select(Item).where(Item.number <= 20)):
        item.tags.extend(Tag() for _ in range(item.number % 4))
    session.commit()


COLUMNS: dict[str, Any] = {
    **{name: getattr(Item, name) for name in Item.__mapper__.columns.keys()},  # noqa: SIM118
    "owner": Owner.name,
    "date": Item.made,
    "lower": sa.func.lower(Item.title),
}
KINDS: dict[str, api.Filter] = {
    "number": api.Filter(int, OPERATORS),
    "small": api.Filter(int, OPERATORS),
    "big": api.Filter(int, OPERATORS, nullable=True),
    "active": api.Filter(bool, EQUALITY),
    "is_known": api.Filter(bool, EQUALITY, nullable=True),
    "price": api.Filter(float, OPERATORS),
    "real": api.Filter(float, OPERATORS),
    "double": api.Filter(float, OPERATORS),
    "coarse": api.Filter(float, OPERATORS),
    "date": api.Filter(dt.date),
    "exact": api.Filter(decimal.Decimal, OPERATORS),
    "title": api.Filter(str, OPERATORS, nullable=True),
    "made": api.Filter(dt.datetime, OPERATORS, nullable=True),
    "at": api.Filter(dt.datetime, OPERATORS),
    "day": api.Filter(dt.date, OPERATORS),
    "state": api.Filter(State, EQUALITY),
    "id": api.Filter(uuid.UUID, EQUALITY),
}


def collection(unique: str = "id", sort_keys: Any = tuple(COLUMNS)) -> api.Collection:
    return api.Collection(
        "items", filters=KINDS, sort_keys=sort_keys, unique=unique, counts=True, default_limit=7
    )


class Items:
    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @api.lists(collection())
    def index(self, request: api.Request, page: api.Page) -> Any:
        return self._list(request, page, sa.select(Item).outerjoin(Owner))

    @api.lists(collection(unique="number"))
    def numbers(self, request: api.Request, page: api.Page) -> Any:
        return self._list(request, page, sa.select(Item).join(Owner))

    @api.lists(collection())
    def tagged(self, request: api.Request, page: api.Page) -> Any:
        return self._list(request, page, sa.select(Item).join(Tag).outerjoin(Owner))

    @api.lists(collection(sort_keys=("title", "state", "number")))
    def distinct(self, request: api.Request, page: api.Page) -> Any:
        query = sa.select(Item).join(Tag).outerjoin(Owner).distinct()
        return self._list(request, page, query)

    @api.lists(collection())
    def eager(self, request: api.Request, page: api.Page) -> Any:
        query = sa.select(Item).outerjoin(Item.owner).options(joinedload(Item.tags))
        return self._list(request, page, query)

    def _list(self, request: api.Request, page: api.Page, query: sa.Select[Any]) -> Any:
        with Session(self.engine) as session:
            found = fetch_page(session, query, page, COLUMNS)
            items = [{"id": str(item.id), "number": item.number} for item in found.items]
            return page.document(request, items, found.count)


@pytest.fixture(scope="module", params=DRIVERS)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    driver: str = request.param
    yield from made_client(url_of(driver, request, tmp_path_factory.mktemp("lists")))


def url_of(driver: str, request: pytest.FixtureRequest, directory: Path) -> str:
    if driver == "sqlite":
        return f"sqlite:///{directory}/items.sqlite"
    kind, _, module = driver.partition("+")
    pytest.importorskip({"mysqldb": "MySQLdb"}.get(module, module), exc_type=ImportError)
    name = {"postgresql": "postgresql_server", "mysql": "mariadb_server"}[kind]
    server: Database = request.getfixturevalue(name)
    server = dataclasses.replace(server, name=server.make_database())
    if kind == "mysql":
        return server.url(driver, charset="utf8mb4")
    # A time without a zone would be read in the session's, which is not always UTC.
    return server.url(driver, options="-ctimezone%3DEurope/Berlin")


def made_client(url: str) -> Iterator[Client]:
    engine = sa.create_engine(url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        make_rows(session)
    router, items = api.Router(), Items(engine)
    for name in ("index", "numbers", "tagged", "distinct", "eager"):
        router.connect(f"/{name}", controller=items, action=name, methods=["GET"])
    yield Client(api.API(router))
    engine.dispose()


def links(page: Any) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in page.get("links", ())}


def numbers(page: Any) -> list[int]:
    return [item["number"] for item in page["items"]]


def assert_there_and_back(client: Client, path: str, sort: str, expected: set[int]) -> None:
    query = {"sort": sort} if sort else {}
    whole = numbers(client.get(f"{path}?{urlencode({**query, 'limit': 1000})}").json)
    assert set(whole) == expected
    assert len(whole) == len(expected)
    page = client.get(f"{path}?{urlencode(query)}").json
    pages = [numbers(page)]
    while "next" in links(page):
        page = client.get(links(page)["next"]).json
        pages.append(numbers(page))
        assert len(pages) <= COUNT
    assert [number for each in pages for number in each] == whole
    for before in reversed(pages[:-1]):
        page = client.get(links(page)["prev"]).json
        assert numbers(page) == before
    assert "prev" not in links(page)


EVERY = set(range(1, COUNT + 1))


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", COLUMNS)
def test_each_kind_of_column_is_paged_there_and_back(
    client: Client, key: str, direction: str
) -> None:
    assert_there_and_back(client, "/index", f"{key}:{direction}", EVERY)


@pytest.mark.parametrize(
    "sort", ["", "active,real:desc", "owner,lower:desc,is_known", "state,price"]
)
def test_several_keys_are_paged_there_and_back(client: Client, sort: str) -> None:
    assert_there_and_back(client, "/index", sort, EVERY)


@pytest.mark.parametrize("sort", ["", "owner", "number:desc"])
def test_a_number_is_a_marker(client: Client, sort: str) -> None:
    owned = set(numbers(client.get("/numbers?limit=1000").json))
    assert 0 < len(owned) < COUNT
    assert_there_and_back(client, "/numbers", sort, owned)


@pytest.mark.parametrize("path", ["/tagged", "/distinct"])
@pytest.mark.parametrize("sort", ["", "title", "title:desc", "state"])
def test_an_item_of_several_rows_is_met_once(client: Client, path: str, sort: str) -> None:
    assert_there_and_back(client, path, sort, {n for n in range(1, 21) if n % 4})


@pytest.mark.parametrize("sort", ["", "title", "owner:desc"])
def test_what_is_loaded_by_a_join_is_no_item_of_its_own(client: Client, sort: str) -> None:
    assert_there_and_back(client, "/eager", sort, EVERY)


def found(client: Client, query: str) -> list[int]:
    return sorted(numbers(client.get(f"/index?limit=1000&{query}").json))


def test_what_a_filter_finds_is_the_same_everywhere(client: Client) -> None:
    assert found(client, "small=eq:1&number=lte:4") == [1, 4]
    assert found(client, "number=gt:3&number=lt:6") == [4, 5]
    assert found(client, "active=false&number=lt:5") == [1, 3]
    assert found(client, "active=in:true,false") == sorted(EVERY)
    assert found(client, "at=eq:2026-01-01T05:00:00Z") == [5, 29]
    assert found(client, "at=2026-01-01T06:00:00%2B01:00") == [5, 29]
    assert found(client, "day=2026-01-05") == [4, 32]
    assert found(client, "date=2026-01-05") == [4, 32]
    assert found(client, "exact=gte:.1234567890163&number=lt:6") == [4]
    assert found(client, "exact=gte:1234567890163e-13&number=lt:6") == [4]


@pytest.mark.parametrize("column", ["price", "real", "double", "coarse"])
def test_a_number_is_found_as_it_is_stored(client: Client, column: str) -> None:
    equal, others = found(client, f"{column}=1.1"), found(client, f"{column}=neq:1.1")
    assert equal
    assert others
    assert sorted([*equal, *others]) == sorted(EVERY)
    assert found(client, f"{column}=in:1.1,1e60") == equal
    assert found(client, f"{column}=gt:1e60") == []
    assert found(client, f"{column}=lt:-1e-60") == []


@pytest.mark.parametrize(
    ("column", "value"),
    [("big", 2**40), ("is_known", "true"), ("title", "b"), ("made", "2026-01-05T00:00:00Z")],
)
def test_null_is_a_value_to_a_client(client: Client, column: str, value: Any) -> None:
    null, others = found(client, f"{column}=null"), found(client, f"{column}=neq:null")
    assert null
    assert others
    assert sorted([*null, *others]) == sorted(EVERY)
    assert found(client, f"{column}=eq:null") == null
    equal = found(client, f"{column}={value}")
    assert found(client, f"{column}=neq:{value}") == sorted(EVERY - {*equal})
    assert found(client, f"{column}=nin:{value}") == sorted(EVERY - {*equal})
    assert found(client, f"{column}=in:null,{value}") == sorted([*null, *equal])
    assert found(client, f"{column}=nin:null,{value}") == sorted(EVERY - {*null, *equal})


def test_a_list_has_quotes_for_what_has_commas(client: Client) -> None:
    both = found(client, urlencode({"title": 'in:"a,b","q""q"'}))
    assert both == sorted([*found(client, "title=a,b"), *found(client, "title=q%22q")])
    assert found(client, "title=a,b")
    assert found(client, "title=q%22q")


def test_an_enum_is_found_by_its_value(client: Client) -> None:
    each = [found(client, f"state={state.value}") for state in State]
    assert sorted(number for one in each for number in one) == sorted(EVERY)
    assert found(client, "state=nin:new,old") == each[2]


def test_an_id_is_found_by_its_text(client: Client) -> None:
    first, second, *_ = client.get("/index").json["items"]
    assert found(client, f"id={first['id']}") == [first["number"]]
    assert found(client, f"id=in:{first['id'].upper()},{second['id']}") == sorted(
        [first["number"], second["number"]]
    )


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("/index?small=gt:32768", "?small: has to be a whole number from -32768 to 32767"),
        (
            "/index?number=-9999999999",
            "?number: has to be a whole number from -2147483648 to 2147483647",
        ),
        (
            "/index?number=in:1,9999999999",
            "?number: has to be a whole number from -2147483648 to 2147483647",
        ),
        ("/index?marker=abc", "?marker: has to be the id of an item"),
        ("/index?marker=abc&sort=title", "?marker: has to be the id of an item"),
        (
            f"/index?sort=title&marker={uuid.UUID(int=2**128 - 7)}",
            "?marker: there is no such item any more",
        ),
        *(
            (f"/numbers?marker={marker}", "?marker: has to be the id of an item")
            for marker in ("abc", "1_0", "%2B5", "%205", "%D9%A1", "1.0", "9999999999", "9" * 30)
        ),
    ],
)
def test_what_no_column_can_hold_is_refused(client: Client, query: str, detail: str) -> None:
    assert client.errors(client.get(query, status=400)) == [detail]


def test_a_number_that_only_a_large_column_holds_is_compared(client: Client) -> None:
    assert found(client, f"big=gt:{2**62}") == []
    assert found(client, f"big=gt:{2**39}") == found(client, f"big={2**40}")
