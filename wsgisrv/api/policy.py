"""Policy: who may do what, asked of an enforcer: before the body is read, or of what the action has found.

Rules: the API knows the enforcer by one method, so oslo.policy is one of them and needs to be installed only
where it is used (``pip install 'wsgisrv[policy]'``). A rule that is not registered is refused at start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from webob import exc

from wsgisrv.api.hooks import Before
from wsgisrv.errors import ConfigError

if TYPE_CHECKING:
    from wsgisrv.api.request import RequestContext


class Enforcer(Protocol):
    """What decides."""

    def knows(self, rule: str) -> bool:
        """Whether there is such a rule."""

    def allows(self, rule: str, target: Mapping[str, Any], credentials: Mapping[str, Any]) -> bool:
        """Whether somebody may do what the rule is about.

        Args:
            target: what it is done to: the path arguments; project and user of who asks, as a default.
            credentials: of RequestContext.
        """


class OsloPolicy:
    """oslo.policy as the enforcer.

    Args:
        conf: an oslo.config ConfigOpts, which says where the policy file is.
        rules: oslo_policy.policy.DocumentedRuleDefault or RuleDefault of each rule.

    Raises:
        ConfigError: when oslo.policy is not installed.
    """

    def __init__(self, conf: Any, rules: Iterable[Any] = ()) -> None:
        try:
            from oslo_policy import policy
        except ImportError:
            raise ConfigError("policies need oslo.policy: pip install 'wsgisrv[policy]'") from None
        self.enforcer = policy.Enforcer(conf)
        self.enforcer.register_defaults(list(rules))

    def knows(self, rule: str) -> bool:
        """Whether the rule is registered."""
        return rule in self.enforcer.registered_rules

    def allows(self, rule: str, target: Mapping[str, Any], credentials: Mapping[str, Any]) -> bool:
        """Whether oslo.policy says yes."""
        return bool(self.enforcer.authorize(rule, dict(target), dict(credentials), do_raise=False))


def check_rule(enforcer: Enforcer | None, rule: str, place: str) -> Before:
    """Returns the hook that asks for one rule, about the path arguments.

    Raises:
        ConfigError: when there is no enforcer, or it does not know the rule.
    """
    if enforcer is None:
        raise ConfigError(f"{place}: the rule {rule!r} needs an API with an enforcer")
    if not enforcer.knows(rule):
        raise ConfigError(f"{place}: no policy rule {rule!r}")
    return lambda request, arguments: request.authorize(rule, arguments)


def authorize(
    enforcer: Enforcer | None, rule: str, target: Mapping[str, Any], context: RequestContext
) -> None:
    """Asks whether who stands in the context may do what the rule is about.

    Raises:
        ConfigError: as for ``check_rule``.
        webob.exc.HTTPForbidden: when not.
    """
    if enforcer is None or not enforcer.knows(rule):
        raise ConfigError(f"no policy rule {rule!r}" + ("" if enforcer else ", and no enforcer"))
    target = {"project_id": context.project_id, "user_id": context.user_id, **target}
    if not enforcer.allows(rule, target, context.credentials()):
        raise exc.HTTPForbidden(f"the policy {rule} does not allow it")
