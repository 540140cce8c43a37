"""The OpenAPI document, and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from wsgisrv import api
from wsgisrv.api.testing import Client

NAMED = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "pattern": "x", "x-says": {"pattern": "has an x"}}},
}
QUERY = {"type": "object", "properties": {"ids": {"type": "array", "items": {"type": "string"}}}}
ITEMS = api.Collection(
    "things", sort_keys=("name",), fields=("name",), counts=True, item=NAMED,
    filters={"size": api.Filter(int, ("eq", "gt")), "name": api.Filter()},
)  # fmt: skip


class Things:
    @api.lists(ITEMS)
    def index(self, request: api.Request, page: api.Page) -> Any:
        """Lists things."""

    @api.version("1.1")
    @api.body(NAMED)
    @api.returns(NAMED)
    @api.responds(201, location="/things/{name}")
    def create(self, request: api.Request, body: Any) -> Any:
        """Adds a thing.

        With more to say.
        """

    @api.query(QUERY)
    @api.answers(304, "the client has it")
    def show(self, request: api.Request, thing_id: str, query: Any) -> Any: ...

    @api.answers(409, "it is in use")
    @api.answers(412, "it has changed")
    def delete(self, request: api.Request, thing_id: str) -> None: ...

    @api.sub_action("paint")
    @api.body(NAMED)
    @api.responds(202)
    def paint(self, request: api.Request, thing_id: str) -> None: ...

    def events(self, request: api.Request) -> Iterator[Any]:
        """Streams events."""
        yield {}

    @api.produces("image/png", "application/json")
    @api.returns(NAMED)
    def picture(self, request: api.Request) -> Any: ...

    @api.sub_action("weigh")
    def weigh(self, request: api.Request, thing_id: str) -> Any: ...


@pytest.fixture
def client() -> Client:
    router = api.Router()
    things = Things()
    thing = router.resource(
        "thing", "things", controller=things, argument="thing_id",
        requirements={"thing_id": "[a-z]+"},
    )  # fmt: skip
    thing.sub_actions(controller=things)
    router.connect("/events", controller=things, action="events", methods=["GET"])
    router.connect("/picture", controller=things, action="picture", methods=["GET"])
    versions = api.Microversions("shelf", "1.0", "1.1")
    described = api.Described('A & "B" <script>', answers={503: "come back later"})
    return Client(api.API(router, versions=versions, described=described), service_type="shelf")


def document(client: Client, version: str = "1.1") -> Any:
    found = client.get(f"/openapi.json?version={version}").json
    validate(found)
    return found


def parameters(operation: Any) -> dict[str, Any]:
    return {one["name"]: one for one in operation["parameters"]}


def test_there_is_one_document_for_each_version_and_the_newest_by_default(client: Client) -> None:
    assert "post" not in document(client, "1.0")["paths"]["/things"]
    assert "post" in document(client, "1.1")["paths"]["/things"]
    assert client.get("/openapi.json").json == document(client, "1.1")
    refused = client.get("/openapi.json?version=1.2", status=400)
    assert client.errors(refused) == ["?version: there are 1.0 to 1.1"]


def test_the_document_says_what_is_declared(client: Client) -> None:
    paths = document(client)["paths"]
    assert set(paths) == {
        "/things", "/things/{thing_id}", "/things/{thing_id}/action", "/events", "/picture",
    }  # fmt: skip
    listing, create = paths["/things"]["get"], paths["/things"]["post"]
    assert set(parameters(listing)) == {
        "OpenStack-API-Version", "limit", "marker", "sort", "fields", "with_count", "page_reverse",
        "size", "name",
    }  # fmt: skip
    assert create["summary"] == "Adds a thing."
    assert set(create["responses"]) == {"201", "400", "404", "406", "413", "415", "503"}
    body = create["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["name"] == {"type": "string", "pattern": "x"}
    show, delete = paths["/things/{thing_id}"]["get"], paths["/things/{thing_id}"]["delete"]
    assert parameters(show)["thing_id"]["schema"]["pattern"] == "^(?:[a-z]+)$"
    assert {"If-None-Match", "ids"} <= set(parameters(show))
    assert "If-Match" in parameters(delete)
    assert set(delete["responses"]) == {"204", "400", "404", "406", "409", "412", "503"}
    assert "content" not in delete["responses"]["204"]


def test_what_is_no_document_is_said_with_its_media_type(client: Client) -> None:
    paths = document(client)["paths"]
    events = paths["/events"]["get"]["responses"]["200"]["content"]
    assert events == {"application/jsonl": {}}
    picture = paths["/picture"]["get"]["responses"]["200"]["content"]
    assert picture["image/png"] == {}
    assert picture["application/json"]["schema"]["required"] == ["name"]


def test_sub_actions_are_the_forms_of_one_body(client: Client) -> None:
    action = document(client)["paths"]["/things/{thing_id}/action"]["post"]
    forms = action["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert [form["required"] for form in forms] == [["paint"], ["weigh"]]
    assert {"200", "202"} <= set(action["responses"])


def test_the_shelfs_documents_are_valid(tmp_path: Path) -> None:
    for version, found in shelf_documents(tmp_path):
        validate(found)
        assert found["info"]["version"] == version
        operations = [o["operationId"] for path in found["paths"].values() for o in path.values()]
        assert len(set(operations)) == len(operations)


def shelf_documents(tmp_path: Path) -> Iterator[tuple[str, Any]]:
    from wsgisrv.demo.app import shelf_app
    from wsgisrv.demo.db import Database

    database = Database(f"sqlite:///{tmp_path}/shelf.sqlite")
    database.create_schema()
    shelf = Client(shelf_app(database), service_type="shelf")
    for version in ("1.0", "1.1", "1.2", "1.3"):
        yield version, shelf.get(f"/openapi.json?version={version}").json


def test_the_page_loads_its_own_files_alone(client: Client) -> None:
    page = client.get("/docs", headers={"Accept": "text/html"})
    assert "A &amp; &quot;B&quot; &lt;script>" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assets = re.findall(r'(?:src|href)="(docs/[^"]*)"', page.text)
    assert len(assets) == 2
    for name in assets:
        asset = client.get(f"/{name}")
        assert "http:" not in asset.text
        assert "https:" not in asset.text
    for name in ("other.js", "..%2Fapp.py", "docs.html"):
        client.get(f"/docs/{name}", status=404)


def test_a_document_that_the_client_has_is_304(client: Client) -> None:
    tag = client.get("/openapi.json").headers["ETag"]
    client.get("/openapi.json", headers={"If-None-Match": tag}, status=304)
