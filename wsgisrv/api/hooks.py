"""Hooks: what runs before an action, or around it.

Rules: one that cannot be called as hooks are is refused at start, with the place of its declaration.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from wsgisrv.errors import ConfigError

Before = Callable[[Any, Mapping[str, Any]], None]
"""A hook before an action: gets the request and the path arguments; to refuse, it raises."""

Around = Callable[[Any, Mapping[str, Any]], AbstractContextManager[Any]]
"""A hook around an action: its context is left when the action has returned or raised."""


@dataclasses.dataclass(frozen=True, slots=True)
class Hook:
    """A hook as it was declared.

    Args:
        hook: that is called, or the name of the controller's method.
        kind: ``before`` or ``around``.
        place: ``file:line`` of the declaration.

    Raises:
        ConfigError: when it is no hook.
    """

    hook: Callable[..., Any] | str
    kind: str
    place: str

    def __post_init__(self) -> None:
        if not isinstance(self.hook, str):
            self.check(self.hook)

    def of(self, controller: object) -> Callable[..., Any]:
        """Returns what is called for an action of the controller.

        Raises:
            ConfigError: when the controller has no such method, or it takes other arguments.
        """
        if not isinstance(self.hook, str):
            return self.hook
        found = getattr(controller, self.hook, None)
        if found is None:
            kind = type(controller).__name__
            raise ConfigError(f"{self.place}: {self.kind}: {kind} has no method {self.hook!r}")
        self.check(found)
        return found  # type: ignore[no-any-return]

    def check(self, hook: Any) -> None:
        """Checks that it can be called as hooks are."""
        try:
            inspect.signature(hook).bind(None, {})
        except ValueError:
            return  # something that is compiled, and says nothing of itself
        except TypeError as error:
            raise ConfigError(
                f"{self.place}: {self.kind}: a hook takes the request and a dict of arguments: {error}"
            ) from None
