"""Which eventlet hub a worker runs on.

``auto`` is the first that works here of epolls (Linux), kqueue (BSD, macOS), poll and selects. Every
hub of eventlet's calls the same listeners in the same way; asyncio is there on request.
"""

from __future__ import annotations

from types import ModuleType

from wsgisrv.errors import ConfigError

AUTO_ORDER = ("epolls", "kqueue", "poll", "selects")

# What the select module has where a hub works (select(2), poll(2), epoll(7), kqueue(2)).
_NEEDS = {"epolls": "epoll", "kqueue": "kqueue", "poll": "poll", "selects": "select"}


def choose_hub(wanted: str, select: ModuleType) -> str:
    """Returns the name of the hub to use.

    Args:
        wanted: ``auto`` or a name, as the option ``hub`` has it.
        select: the unpatched select module.

    Raises:
        ConfigError: when the named hub does not work on this system.
    """
    if wanted == "asyncio":
        return wanted
    usable = [name for name in AUTO_ORDER if hasattr(select, _NEEDS[name])]
    if wanted == "auto":
        return usable[0]
    if wanted not in usable:
        raise ConfigError(
            f"[wsgisrv] hub = {wanted}: not on this system, which has {', '.join(usable)}"
        )
    return wanted
