"""What is declared beside actions: versions, schemas, hooks, sub-actions, and what is refused at start."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from webob import exc

from wsgisrv import api
from wsgisrv.api.testing import Client
from wsgisrv.current import new_request_id
from wsgisrv.errors import ConfigError

HERE = Path(__file__).name
NAME = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
VERSIONS = api.Microversions("shelf", "1.0", "1.5")


class Things:
    def __init__(self) -> None:
        self.log: list[str] = []

    @api.version("1.0", "1.1")
    def show(self, request: api.Request, id: str) -> dict[str, Any]:  # noqa: A002 - Routes' name
        return {"as": "first", "microversion": request.microversion}

    @api.version("1.2", "1.3", of="show")
    def show_more(self, request: api.Request, id: str) -> dict[str, Any]:  # noqa: A002
        return {"as": "second"}

    @api.body(NAME, "1.0", "1.2")
    @api.body(NUMBER, "1.3")
    @api.responds(201)
    def create(self, request: api.Request, body: Any) -> Any:
        return body

    @api.version("1.1", "1.4")
    @api.before("_refuse_seven")
    @api.around("_logged")
    def delete(self, request: api.Request, id: str) -> None:  # noqa: A002
        self.log.append("delete")

    @api.query(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "n": {"type": "integer", "minimum": 0},
                "all": {"type": "boolean"},
                "ids": {"type": "array", "items": {"type": "string"}},
            },
        }
    )
    def index(self, request: api.Request, query: dict[str, Any]) -> dict[str, Any]:
        return query

    @api.sub_action("paint")
    @api.body(NAME)
    @api.responds(202)
    def paint(self, request: api.Request, id: str, body: Any) -> None:  # noqa: A002
        self.log.append(f"paint {body['name']}")

    @api.sub_action("break")
    @api.version("1.2")
    def break_it(self, request: api.Request, id: str) -> Any:  # noqa: A002
        return {"broken": id}

    def _refuse_seven(self, request: api.Request, arguments: Mapping[str, Any]) -> None:
        self.log.append("before")
        if arguments["id"] == "7":
            raise exc.HTTPForbidden("not the seventh")

    @contextlib.contextmanager
    def _logged(self, request: api.Request, arguments: Mapping[str, Any]) -> Iterator[None]:
        self.log.append("in")
        yield
        self.log.append("out")


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
def client(things: Things) -> Client:
    router = api.Router()
    router.resource("thing", "things", controller=things)
    router.sub_actions("/things/{id}/action", controller=things)
    return Client(api.API(router, versions=VERSIONS), service_type="shelf")


# Microversions


def test_each_version_has_its_implementation(client: Client) -> None:
    assert client.at("1.1").get("/things/1").json == {"as": "first", "microversion": [1, 1]}
    assert client.at("1.2").get("/things/1").json["as"] == "second"


def test_an_action_is_405_where_the_version_has_only_others(client: Client) -> None:
    response = client.at("1.4").get("/things/1", status=405)
    assert client.errors(response) == ["/things/1 does not have GET in this version"]
    assert response.headers["Allow"] == "DELETE, OPTIONS"
    client.at("1.0").delete("/things/1", status=405)
    client.at("1.1").delete("/things/1", status=204)


def test_a_path_is_404_where_the_version_has_no_action_for_it() -> None:
    class Later:
        @api.version("1.3")
        def index(self, request: api.Request) -> Any:
            return []

    router = api.Router()
    router.connect("/x", controller=Later(), action="index", methods=["GET"])
    client = Client(api.API(router, versions=VERSIONS), service_type="shelf")
    refused = client.at("1.2").get("/x", status=404)
    assert client.errors(refused) == ["no resource at /x in this version"]
    client.at("1.2").options("/x", status=404)
    assert client.at("1.3").get("/x").json == []


def test_a_new_route_does_not_change_what_a_path_was_in_older_versions() -> None:
    class Servers:
        def show(self, request: api.Request, id: str) -> Any:  # noqa: A002 - the name is Routes'
            return {"id": id}

        @api.version("1.3")
        def usage(self, request: api.Request) -> Any:
            return {"usage": 1}

    router, servers = api.Router(), Servers()
    router.resource("server", "servers", controller=servers)
    router.connect("/servers/usage", controller=servers, action="usage", methods=["GET"])
    client = Client(api.API(router, versions=VERSIONS), service_type="shelf")
    assert client.at("1.2").get("/servers/usage").json == {"id": "usage"}
    assert client.at("1.3").get("/servers/usage").json == {"usage": 1}


def test_options_and_405_name_what_the_version_has(client: Client) -> None:
    assert client.at("1.0").options("/things/1").headers["Allow"] == "GET, HEAD, OPTIONS"
    assert client.at("1.4").options("/things/1").headers["Allow"] == "DELETE, OPTIONS"
    refused = client.at("1.4").put("/things/1", status=405)
    assert refused.headers["Allow"] == "DELETE, OPTIONS"
    client.at("1.5").put("/things/1", status=404)


def test_a_schema_holds_in_its_versions(client: Client) -> None:
    client.at("1.2").post_json("/things", {"name": "x"}, status=201)
    response = client.at("1.3").post_json("/things", {"name": "x"}, status=400)
    assert client.errors(response) == ["/n: is required"]


# Hooks and sub-actions


def test_hooks_run_before_and_around(client: Client, things: Things) -> None:
    client.at("1.1").delete("/things/1")
    assert things.log == ["before", "in", "delete", "out"]
    things.log.clear()
    assert client.errors(client.at("1.1").delete("/things/7", status=403)) == ["not the seventh"]
    assert things.log == ["before"]


def test_a_sub_action_is_chosen_by_the_body(client: Client, things: Things) -> None:
    response = client.post_json("/things/1/action", {"paint": {"name": "red"}}, status=202)
    assert (response.body, things.log) == (b"", ["paint red"])
    assert client.at("1.2").post_json("/things/1/action", {"break": {}}).json == {"broken": "1"}


@pytest.mark.parametrize(
    ("version", "body", "detail"),
    [
        ("1.0", {"break": {}, "paint": {}}, "the body: has to have exactly one key of paint"),
        ("1.0", {"x": {}}, "the body: has to have exactly one key of paint"),
        ("1.2", {"x": {}}, "the body: has to have exactly one key of break, paint"),
        ("1.2", {"paint": 1}, "/paint: has to be an object"),
        ("1.2", {"paint": {}}, "/paint/name: is required"),
        ("1.2", {"paint": {"name": 1}}, "/paint/name: has to be a string"),
    ],
)
def test_a_wrong_sub_action_is_named(client: Client, version: str, body: Any, detail: str) -> None:
    response = client.at(version).post_json("/things/1/action", body, status=400)
    assert client.errors(response) == [detail]


def test_a_sub_action_that_another_version_has_is_404(client: Client) -> None:
    place = "/things/1/action"
    refused = client.at("1.1").post_json(place, {"break": {}}, status=404)
    assert client.errors(refused) == ["no sub-action 'break' in version 1.1"]
    client.at("1.2").post_json(place, {"break": {}}, status=200)


# Queries


def test_a_query_has_the_types_of_its_schema(client: Client) -> None:
    query = client.get("/things?n=7&all=TRUE&ids=a,b").json
    assert query == {"n": 7, "all": True, "ids": ["a", "b"]}
    assert client.get("/things").json == {}


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("n=x", "?n: has to be a whole number"),
        ("n=1.0", "?n: has to be a whole number"),
        ("n=-1", "?n: has to be at least 0"),
        ("all=yes", "?all: has to be true or false"),
        ("m=1", "?m: is not known; there are n, all, ids"),
        ("n=1&n=2", "the query has 'n' twice"),
    ],
)
def test_a_wrong_query_is_named(client: Client, query: str, detail: str) -> None:
    assert client.errors(client.get(f"/things?{query}", status=400)) == [detail]


# What is refused at start


def start(controller: object, **more: Any) -> None:
    router = api.Router()
    router.resource("thing", "things", controller=controller)
    api.API(router, **more)


def refused(controller: object, **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        start(controller, **more)
    text = str(caught.value)
    assert HERE in text
    assert "\n" not in text
    return text


def test_two_implementations_for_one_version_fail_at_start() -> None:
    class Overlapping:
        @api.version("1.0", "1.3")
        def index(self, request: api.Request) -> None: ...

        @api.version("1.3", of="index")
        def index_again(self, request: api.Request) -> None: ...

    assert "Overlapping.index: overlaps" in refused(Overlapping(), versions=VERSIONS)


def test_methods_of_one_name_are_implementations_too() -> None:
    class Same:
        @api.version("1.0", "1.0")
        def index(self, request: api.Request) -> Any:
            return [0]

        @api.version("1.1")  # type: ignore[no-redef]
        def index(self, request: api.Request) -> Any:  # noqa: F811
            return [1]

    router = api.Router()
    router.resource("thing", "things", controller=Same())
    client = Client(api.API(router, versions=VERSIONS), service_type="shelf")
    assert client.get("/things").json == [0]
    assert client.at("1.5").get("/things").json == [1]


def test_two_routes_alike_are_one_where_their_versions_differ() -> None:
    class Old:
        @api.version("1.0", "1.1")
        def index(self, request: api.Request) -> Any:
            return ["old"]

    class New:
        @api.version("1.2")
        def index(self, request: api.Request) -> Any:
            return ["new"]

    router = api.Router()
    router.connect("/x", controller=Old(), action="index", methods=["GET"])
    router.connect("/x", controller=New(), action="index", methods=["GET"])
    client = Client(api.API(router, versions=VERSIONS), service_type="shelf")
    assert client.get("/x").json == ["old"]
    assert client.at("latest").get("/x").json == ["new"]


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"type": "nonsense"}, "no JSON Schema: /type"),
        ({"properties": {"a": {"minimum": "1"}}}, "no JSON Schema: /properties/a/minimum"),
        ({"pattern": "("}, "no JSON Schema: /pattern"),
        ({"$ref": "http://elsewhere.example/schema"}, "no JSON Schema"),
        ({"$ref": "#/nowhere"}, "no JSON Schema"),
        ("text", "a schema is a dict"),
    ],
)
@pytest.mark.parametrize("kind", [api.body, api.query, api.returns])
def test_a_schema_that_is_none_fails_at_start(schema: Any, complaint: str, kind: Any) -> None:
    class Wrong:
        @kind(schema)  # type: ignore[untyped-decorator, unused-ignore]
        def index(self, request: api.Request) -> None: ...

    assert complaint in refused(Wrong())


def test_more_that_is_declared_wrongly_fails_at_start() -> None:
    class Versioned:
        @api.version("1.7", "1.9")
        def index(self, request: api.Request) -> None: ...

    assert "has no microversions" in refused(Versioned())
    assert "none of the versions 1.0 to 1.5" in refused(Versioned(), versions=VERSIONS)

    class TwoBodies:
        @api.body(NAME)
        @api.body(NUMBER, "1.2")
        def create(self, request: api.Request, body: Any) -> None: ...

    assert "two body schemas in 1.2" in refused(TwoBodies(), versions=VERSIONS)

    class NoPage:
        def index(self, request: api.Request, page: api.Page) -> None: ...

    assert "takes page" in refused(NoPage())

    class NoHook:
        @api.before("_nothing")
        def index(self, request: api.Request) -> None: ...

    assert "before: NoHook has no method '_nothing'" in refused(NoHook())

    class Ruled:
        @api.policy("thing:list")
        def index(self, request: api.Request) -> None: ...

    assert "needs an API with an enforcer" in refused(Ruled())


def test_a_body_cannot_be_a_path_argument() -> None:
    class Confused:
        def show(self, request: api.Request, body: str) -> None: ...

    router = api.Router()
    router.connect("/x/{body}", controller=Confused(), action="show", methods=["GET"])
    with pytest.raises(ConfigError, match=rf"{HERE}:\d+: .*body cannot be a path argument"):
        router.freeze()


def test_sub_actions_need_some() -> None:
    router = api.Router()
    router.sub_actions("/x", controller=object())
    with pytest.raises(ConfigError, match=rf"{HERE}:\d+: object has no sub_action"):
        router.freeze()


# Policy


def rules() -> Any:
    policy = pytest.importorskip("oslo_policy.policy")
    from oslo_config import cfg

    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    return api.OsloPolicy(
        conf,
        [
            policy.RuleDefault("thing:list", "role:reader"),
            policy.RuleDefault("thing:show", "user_id:%(id)s or role:admin"),
            policy.RuleDefault("thing:own", "project_id:%(project_id)s"),
        ],
    )


class Guarded:
    @api.policy("thing:list")
    def index(self, request: api.Request) -> Any:
        return [request.context.user_id, list(request.context.roles), request.context.project_id]

    @api.policy("thing:show")
    def show(self, request: api.Request, id: str) -> Any:  # noqa: A002
        return [id]


def test_oslo_policy_decides() -> None:
    router = api.Router()
    router.resource("thing", "things", controller=Guarded())
    client = Client(api.API(router, enforcer=rules(), identity_headers=True))
    refusal = client.get("/things", status=403)
    assert client.errors(refusal) == ["the policy thing:list does not allow it"]
    reader = client.as_user("u1", "p1", "reader, member")
    assert reader.get("/things").json == ["u1", ["reader", "member"], "p1"]
    reader.get("/things/u2", status=403)
    reader.get("/things/u1", status=200)
    client.as_user("x", roles="admin").get("/things/u2", status=200)


def test_an_action_asks_the_policy_of_what_it_has_found() -> None:
    projects = {"1": "p1", "2": "p2"}

    class Owned:
        def show(self, request: api.Request, id: str) -> Any:  # noqa: A002
            request.authorize("thing:own", {"project_id": projects[id]})
            return [id]

        def delete(self, request: api.Request, id: str) -> Any:  # noqa: A002
            request.authorize("thing:eat", {})

    router = api.Router()
    router.resource("thing", "things", controller=Owned())
    client = Client(api.API(router, enforcer=rules(), identity_headers=True)).as_user("u1", "p1")
    client.get("/things/1", status=200)
    refusal = client.get("/things/2", status=403)
    assert client.errors(refusal) == ["the policy thing:own does not allow it"]
    client.delete("/things/1", status=500)
    router = api.Router()
    router.resource("thing", "things", controller=Owned())
    Client(api.API(router)).get("/things/1", status=500)


def test_nobody_is_believed_to_be_somebody_without_a_filter_that_checks_it() -> None:
    def guarded() -> api.Router:
        router = api.Router()
        router.resource("thing", "things", controller=Guarded())
        return router

    client = Client(api.API(guarded(), enforcer=rules()))
    client.as_user("u1", roles="reader,admin").get("/things", status=403)
    invalid = Client(api.API(guarded(), enforcer=rules(), identity_headers=True))
    invalid.as_user("u1", roles="reader").get(
        "/things", headers={"X-Identity-Status": "Invalid"}, status=403
    )


def test_an_unknown_rule_fails_at_start() -> None:
    class Other:
        @api.policy("thing:eat")
        def index(self, request: api.Request) -> None: ...

    assert "no policy rule 'thing:eat'" in refused(Other(), enforcer=rules())


def test_request_ids_are_random_uuids() -> None:
    import uuid

    found = {new_request_id() for _ in range(1000)}
    assert len(found) == 1000
    assert all(uuid.UUID(one.removeprefix("req-")).version == 4 for one in found)
