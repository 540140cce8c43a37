"""Which module a frame is in, or calls into: a function in C has no frame of its own.

Rules: reads, and runs nothing of the app's: no property, no ``__getattr__``. What it cannot tell it does not
guess, with one exception: ``connection.cursor().execute(...)`` is known by who has made the cursor. Runs in:
native thread, while the hub's thread stands.

Facts about CPython 3.11: a code object knows line and columns of each instruction (PEP 657), so the text of
the call that runs is known, and the names in it can be looked up where the frame has them.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import linecache
import types
from collections.abc import Iterator
from types import FrameType
from typing import Any

_MOST_FRAMES = 12
"""From the innermost on: what stands further out has not chosen to block."""

_NOTHING = object()


def modules_of(frame: FrameType) -> Iterator[str]:
    """Yields the C function that a stack is in, if it is known, then modules, the innermost first."""
    if called := _called(frame):
        yield called
    found: FrameType | None = frame
    for _ in range(_MOST_FRAMES):
        if found is None:
            return
        name = found.f_globals.get("__name__")
        if isinstance(name, str):
            yield name
        found = found.f_back


def _called(frame: FrameType) -> str:
    """Returns the C function that a frame waits in, by module and name; empty if that is not to be known."""
    try:
        (statement,) = ast.parse(_text_of_call(frame).strip()).body
    except (SyntaxError, ValueError, UnicodeError):
        return ""
    if isinstance(statement, ast.For):
        return _name_of(_look_up(statement.iter, frame))
    if not isinstance(statement, ast.Expr):
        return ""
    node = statement.value
    return _name_of_function(node.func if isinstance(node, ast.Call) else node, frame)


def _name_of_function(node: ast.expr, frame: FrameType) -> str:
    """Returns the name of what a node stands for; of a method of what a call has returned, the name of what
    was called: most often of the same module.
    """
    name = _name_of(_look_up(node, frame))
    if not name and isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call):
        return _name_of_function(node.value.func, frame)
    return name


def _text_of_call(frame: FrameType) -> str:
    """Returns the source of the expression that a frame is at."""
    at = itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    first, last, begin, end = next(at, (None, None, None, None))
    if first is None or last is None or begin is None or end is None:
        return ""
    lines = [
        line.encode() for line in linecache.getlines(frame.f_code.co_filename)[first - 1 : last]
    ]
    if not lines:
        return ""
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    return b"".join(lines).decode()


def _look_up(node: ast.expr, frame: FrameType) -> Any:
    """Returns what a name, or names with dots between, stand for in a frame."""
    if isinstance(node, ast.Name):
        for names in (frame.f_locals, frame.f_globals, frame.f_builtins):
            if node.id in names:
                return names[node.id]
    if isinstance(node, ast.Attribute):
        owner = _look_up(node.value, frame)
        if owner is not _NOTHING:
            return _static(owner, node.attr)
    return _NOTHING


def _static(owner: Any, name: str) -> Any:
    found = inspect.getattr_static(owner, name, _NOTHING)
    if isinstance(found, types.MemberDescriptorType):  # a slot
        try:
            return found.__get__(owner)
        except AttributeError:
            return _NOTHING
    return found


def _name_of(found: Any) -> str:
    """Returns module and name of a function in C; empty for one in Python, which would have a frame."""
    if isinstance(found, types.MethodDescriptorType | types.WrapperDescriptorType):
        owner: Any = found.__objclass__
        return f"{owner.__module__}.{owner.__qualname__}.{found.__name__}"
    if isinstance(found, types.BuiltinFunctionType):
        owner = found.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            return f"{found.__module__ or ''}.{found.__name__}"
        return f"{type(owner).__module__}.{type(owner).__qualname__}.{found.__name__}"
    if isinstance(found, type | types.FunctionType) or found is _NOTHING:
        return ""
    return f"{type(found).__module__}.{type(found).__qualname__}"
