"""What is declared beside actions that no route leads to: a sub-action that is not served, a wrong name.

Rules: at start, once every route is known. A public method without a route is no mistake: only what has been
declared to serve, and would not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from wsgisrv.api.actions import methods_of
from wsgisrv.api.declared import declared_of, place_of
from wsgisrv.api.entry import Entry
from wsgisrv.errors import ConfigError

_LOG = logging.getLogger("wsgisrv.api")


def check_used(controllers: Iterable[object], entries: Sequence[Entry]) -> None:
    """Checks that routes lead to all that says of which action it is; of sub-actions there is a warning.

    Args:
        controllers: those of the routes.

    Raises:
        ConfigError: when none does.
    """
    served = {
        _function_of(method)
        for entry in entries
        for action in entry.actions
        for method in action.methods
    }
    for controller in controllers:
        methods = methods_of(controller)
        names = [name for name, _ in methods]
        for name, method in methods:
            declared = declared_of(method)
            own_name = getattr(method, "__name__", name)
            where = f"{place_of(method)}: {type(controller).__name__}.{own_name}"
            if _function_of(method) in served:
                continue
            if declared.sub_action:  # which may be meant: another router serves it
                _LOG.warning(
                    "%s: no sub_actions() serves the sub-action %r", where, declared.sub_action
                )
            if declared.implements and names.count(declared.implements) == 1:
                raise ConfigError(
                    f"{where}: of={declared.implements!r}: no route has that action, nor another"
                    " method implements it"
                )


def _function_of(method: Callable[..., Any]) -> Any:
    return getattr(method, "__func__", method)
