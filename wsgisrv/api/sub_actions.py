"""Sub-actions: which of a controller's a request's body asks for.

Rules: which there are in each version is worked out at start; a request costs a look-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webob import exc

from wsgisrv.api.controller import Action, Plan
from wsgisrv.api.declared import Declared
from wsgisrv.api.faults import InvalidFields
from wsgisrv.api.request import VERSION, Request


def choosers(name: str, actions: Mapping[str, Action], count: int) -> list[Plan | None]:
    """Returns for each version the plan that chooses among its sub-actions by the body's one key.

    Args:
        name: of the plans.
        actions: by what asks for them.
        count: of versions.
    """
    found: list[Plan | None] = []
    for index in range(count):
        plans = {key: action.at[index] for key, action in actions.items()}
        subs = {key: plan for key, plan in plans.items() if plan is not None}
        before = found[-1] if found else None
        same = before is not None and before.subs == subs
        elsewhere = frozenset(actions.keys() - subs.keys())
        found.append(before if same else _chooser(name, subs, elsewhere))
    return found


def choose(plan: Plan, request: Request) -> Plan:
    """Returns the plan of the sub-action that the body asks for.

    Raises:
        InvalidFields: when it asks for none, or for several.
        webob.exc.HTTPNotFound: when only other versions have it.
        webob.exc.HTTPException: when the body is no JSON object.
    """
    subs = plan.subs or {}
    body = request.json_object
    name = next(iter(body), "")
    if len(body) == 1 and name in subs:
        return subs[name]
    if len(body) == 1 and name in plan.subs_elsewhere:
        raise exc.HTTPNotFound(f"no sub-action {name!r} in version {request.environ[VERSION]}")
    raise InvalidFields({"": f"has to have exactly one key of {', '.join(sorted(subs))}"})


def _chooser(name: str, subs: Mapping[str, Plan], elsewhere: frozenset[str]) -> Plan | None:
    if not subs:
        return None

    def never(request: Request, **arguments: Any) -> Any:
        raise AssertionError("a sub-action is called instead")

    return Plan(
        name=name,
        call=never,
        method=never,
        declared=Declared(),
        status="200 OK",
        empty_status="204 No Content",
        subs=subs,
        subs_elsewhere=elsewhere,
    )
