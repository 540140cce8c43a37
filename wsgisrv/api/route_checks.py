r"""What is wrong with the declaration of a route, so far as Routes itself would say nothing or fail oddly.

Rules: pure; each check returns the complaint, or "" when there is none. Whoever asks adds the place.

Facts about Routes 2.5: a path that does not begin with a slash never matches, but for a minimized one, which
gets it. A variable in braces ends at the first ``}``, and of ``{name:requirement}`` all behind a second colon
is dropped, so ``{id:\d{4}}`` and ``{id:(?:a|b)}`` are other regexps than they look; a backslash before a
brace keeps it. Requirements for variables that the path does not have are ignored, as are keywords of
``Mapper.resource`` that it does not know.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

KNOWN_METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY",
)  # fmt: skip
"""Of RFC 9110 and RFC 5789, and QUERY: one that is neither of these nor of any route is answered 501."""

_MORE_METHODS = (
    "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "LOCK", "MERGE",
    "MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "ORDERPATCH", "PROPFIND",
    "PROPPATCH", "PURGE", "REBIND", "REPORT", "SEARCH", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE",
    "UPDATEREDIRECTREF", "VERSION-CONTROL",
)  # fmt: skip
"""The others that IANA registers, and PURGE, which caches have."""

_METHOD = re.compile(r"[A-Z0-9!#$%&'*+.^_`|~-]+")
_CONDITIONS = ("function", "method")
_RESOURCE_OPTIONS = (
    "collection", "member", "new", "parent_resource", "path_prefix", "name_prefix", "requirements",
)  # fmt: skip
_PIECE = re.compile(
    r"\\.|\{(?P<braced>(?:\\.|[^{}\\])*)\}|[:*]\((?P<grouped>[^(){}]*)\)|[{}]|[:*]\(", re.DOTALL
)
_IN_REQUIREMENTS = "such a requirement is written as requirements={...}"


def wrong_path(path: object, *, may_lack_slash: bool) -> str:
    """Returns what is wrong with a path."""
    if not isinstance(path, str):
        return f"a path is a text, not {type(path).__name__}"
    if not path.startswith("/") and not may_lack_slash:
        return "a path begins with a slash"
    for piece in _PIECE.finditer(path):
        if piece[0] in ("{", "}", ":(", "*("):
            return f"a {piece[0]!r} without its other half; {_IN_REQUIREMENTS}"
        name = piece["braced"] if piece["braced"] is not None else piece["grouped"]
        if name is not None and (complaint := _wrong_variable(name)):
            return complaint
    return ""


def _wrong_variable(text: str) -> str:
    name, *requirements = re.sub(r"\\([\\:*{}])", r"\1", text).split(":")
    if not name.removeprefix("."):
        return "a variable has a name"
    if len(requirements) > 1:
        return f"a second colon in {{{text}}}; {_IN_REQUIREMENTS}"
    return ""


def wrong_names(names: Iterable[str]) -> str:
    """Returns what is wrong with the names of a path's variables."""
    known = set()
    for name in names:
        if not name.isidentifier():
            return f"no name of a variable: {name!r}"
        if name in known:
            return f"the variable {name} is there twice"
        known.add(name)
    return ""


def wrong_requirements(requirements: object) -> str:
    """Returns what is wrong with requirements."""
    if not isinstance(requirements, Mapping):
        return f"requirements are a dict of regexps by variable, not {type(requirements).__name__}"
    for name, pattern in requirements.items():
        if not isinstance(name, str) or not isinstance(pattern, str):
            return f"the requirement of {name!r} is a regexp as text, not {pattern!r}"
    return ""


def unknown_requirements(requirements: Mapping[str, str], variables: Iterable[str]) -> str:
    """Returns that there are requirements for no variable."""
    known = [*variables]
    for name in requirements:
        if name not in known:
            return (
                f"a requirement of {name!r}, which is no variable of the path{_meant(name, known)}"
            )
    return ""


def wrong_conditions(conditions: object) -> str:
    """Returns what is wrong with a route's conditions, which would never hold then."""
    if not isinstance(conditions, Mapping):
        return f"conditions are a dict, not {type(conditions).__name__}"
    if "sub_domain" in conditions:
        return "no condition 'sub_domain': the condition function can look at HTTP_HOST"
    for name in conditions:
        if name not in _CONDITIONS:
            return f"no condition {name!r}; there are {' and '.join(_CONDITIONS)}"
    if not callable(conditions.get("function", callable)):
        return "the condition function is a callable"
    return wrong_methods(conditions["method"]) if "method" in conditions else ""


def wrong_methods(methods: object) -> str:
    """Returns what is wrong with the methods of a route: one, or several."""
    if not isinstance(methods, str | list | tuple | set | frozenset):
        return f"methods are a list of texts, not {methods!r}"
    if not methods:
        return "an empty list of methods: None is every one"
    for method in [methods] if isinstance(methods, str) else methods:
        if not isinstance(method, str) or method != method.upper():
            return f"no method {method!r}: they are written in capitals"
        known = (*KNOWN_METHODS, *_MORE_METHODS)
        if method == "ANY":
            return f"no method {method!r}: methods=None is every one"
        meant = "" if method in known or method.startswith("X-") else _meant(method, known)
        if meant:
            return f"no method {method!r}{meant}; one's own that is so alike begins with X-"
        if not _METHOD.fullmatch(method):
            return f"no method {method!r}: it is a token (RFC 9110, 9.1)"
    return ""


def wrong_resource(options: Mapping[str, Any], argument: object) -> str:
    """Returns what is wrong with the options of a resource."""
    for name in options:
        if name not in _RESOURCE_OPTIONS:
            known = ", ".join(_RESOURCE_OPTIONS)
            return f"no option {name!r}{_meant(name, _RESOURCE_OPTIONS)}; there are {known}"
    if not isinstance(argument, str) or not argument.isidentifier():
        return f"argument names a variable, not {argument!r}"
    for name in ("path_prefix", "name_prefix"):
        if not isinstance(options.get(name) or "", str):
            return f"{name} is a text, not {options[name]!r}"
    for name in ("collection", "member", "new"):
        if complaint := _wrong_actions(options.get(name, {})):
            return f"{name}: {complaint}"
    parent = options.get("parent_resource")
    if parent is not None:
        names = {"member_name", "collection_name"}
        if not isinstance(parent, Mapping) or not names <= parent.keys():
            return f"parent_resource is a dict with {' and '.join(sorted(names))}"
    return wrong_requirements(options.get("requirements") or {})


def _wrong_actions(actions: object) -> str:
    if not isinstance(actions, Mapping):
        return f"a dict of methods by action, not {type(actions).__name__}"
    for action, method in actions.items():
        if not isinstance(action, str) or not isinstance(method, str):
            return f"{action!r} has one method as text, or 'any', not {method!r}"
        if method.lower() != "any" and (complaint := wrong_methods(method.upper())):
            return complaint
    return ""


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, [*known], n=1)
    return f" (is {near[0]!r} meant?)" if near else ""
