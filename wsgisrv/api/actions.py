"""The actions of a controller by name, as its class shows them to the public.

Rules: an action is resolved when a route leads to it. Declarations that are lost on their way are refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from wsgisrv.api.controller import Action
from wsgisrv.api.declared import declared_of, refuse_lost, uncalled
from wsgisrv.errors import ConfigError


def methods_of(controller: object) -> list[tuple[str, Callable[..., Any]]]:
    """Returns the public methods and those that ``version`` found under their names before them, each with
    the name of its action.

    Raises:
        ConfigError: when declarations are lost.
    """
    kind = type(controller)
    for one in kind.__mro__:
        refuse_lost(one)
    found: list[tuple[str, Callable[..., Any]]] = []
    for name in dir(kind):
        if name.startswith("_") or not inspect.isroutine(getattr(kind, name)):
            continue
        method = getattr(controller, name)
        if place := uncalled(method):
            raise ConfigError(f"{place}: {kind.__name__}.{name}: a decorator without its (...)")
        found.append((declared_of(method).implements or name, method))
        while (earlier := declared_of(method).earlier) is not None:
            method = earlier.__get__(controller, kind)
            found.append((declared_of(method).implements or name, method))
    return found


class Actions(Mapping[str, Action]):
    """The actions of a controller by name, each resolved when a route asks for it.

    A public method that no route leads to is nobody's business: a helper, or for another API.

    Args:
        resolve: makes an action of the controller, a name and its implementations; raises ConfigError.
    """

    def __init__(
        self,
        controller: object,
        resolve: Callable[[object, str, Sequence[Callable[..., Any]]], Action],
    ) -> None:
        self._controller = controller
        self._resolve = resolve
        self._made: dict[str, Action] = {}
        self._methods: dict[str, list[Callable[..., Any]]] = {}
        for name, method in methods_of(controller):
            if not declared_of(method).sub_action:
                self._methods.setdefault(name, []).append(method)

    def __getitem__(self, name: str) -> Action:
        if name not in self._made:
            self._made[name] = self._resolve(self._controller, name, self._methods[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._methods)

    def __len__(self) -> int:
        return len(self._methods)
