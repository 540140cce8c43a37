"""``egg:wsgisrv#rate_limit``: so many requests for each client or project, and 429 for the rest.

    [filter:rate_limit]
    use = egg:wsgisrv#rate_limit
    limits = 100/minute, 2000/hour
    per = project
    storage = redis://10.0.0.5:6379/0

Rules: each limit is a fixed window that begins with its first request; a request has to be within all of
them. A client is an address, an IPv6 one its /64, since that is what one client is given. With ``per =
project`` it is the project that an auth filter in front has found (keystonemiddleware's X-Project-Id), and
the address where there is none: without such a filter clients could name any. Behind a proxy the address is
the proxy's unless ``trusted_proxies`` or proxy_headers say better.

``storage = memory``, the default, counts in each worker for itself: a service of four workers lets through up
to four times as much. Counts that are to hold for a service or for several machines go to Redis, or wherever
else the library ``limits`` can store. When that fails, requests pass (``storage_failure = open``) or get 503
(``closed``); the log has one line when it begins and one when it is over, and for a second after a failure
nobody waits for it again.

Every answer says where its client stands: ``RateLimit-Policy`` and ``RateLimit``, as in
draft-ietf-httpapi-ratelimit-headers-10; a 429 also says Retry-After. 2.1 us a request in memory.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import ipaddress
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from wsgisrv.errors import ConfigError
from wsgisrv.middleware.counters import CounterError, Counters, MemoryCounters
from wsgisrv.middleware.document import refuse
from wsgisrv.middleware.local_conf import LocalConf, wrong
from wsgisrv.networks import Networks, check_networks

_LOG = logging.getLogger("wsgisrv.middleware")

RETRY_SECONDS = 1.0
"""How long a storage that has failed is left alone."""

_KEYS = ("limits", "per", "storage", "storage_failure", "storage_timeout", "name", "exempt")
_LONGEST_KEY = 64
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


@dataclasses.dataclass(frozen=True, slots=True)
class Limit:
    """One limit.

    Args:
        name: of the policy, in words.
        most: requests in a window; at least 1.
        seconds: that a window lasts; at least 1.
    """

    name: str
    most: int
    seconds: int


class RateLimit:
    """Args:
    app: whose requests are counted.
    limits: at least one.
    counters: where they are counted.
    name: in front of each key, so that several filters share a storage.
    per_project: whether a project is a client, if there is one.
    exempt: addresses of clients that are not counted.
    fails_open: whether requests pass while the counters are out of reach.
    """

    def __init__(
        self,
        app: WSGIApplication,
        limits: Sequence[Limit],
        counters: Counters,
        *,
        name: str = "wsgisrv",
        per_project: bool = False,
        exempt: Networks | None = None,
        fails_open: bool = True,
    ) -> None:
        self._app = app
        self._limits = [(limit, f"{name}/{limit.name}/") for limit in limits]
        self._counters = counters
        self._per_project = per_project
        self._exempt = exempt or Networks(())
        self._fails_open = fails_open
        self._failed_at = -math.inf
        self._policy = ", ".join(f'"{one.name}";q={one.most};w={one.seconds}' for one in limits)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Counts the request, and passes it on or refuses it."""
        address = environ.get("REMOTE_ADDR", "")
        if address in self._exempt:
            return self._app(environ, start_response)
        found = self._count(self._client_of(environ, address))
        if found is None:
            if self._fails_open:
                return self._app(environ, start_response)
            retry = [("Retry-After", str(math.ceil(RETRY_SECONDS)))]
            detail = "requests cannot be counted now"
            return refuse(environ, start_response, 503, detail, retry)
        fields, wait = found
        if wait:
            detail = f"too many requests; the next one may come in {wait} seconds"
            headers = [("Retry-After", str(wait)), *fields]
            return refuse(environ, start_response, 429, detail, headers)

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
        ) -> Callable[[bytes], object]:
            headers = [*headers, *fields]
            if exc_info is None:
                return start_response(status, headers)
            return start_response(status, headers, exc_info)

        return self._app(environ, start)

    def _client_of(self, environ: WSGIEnvironment, address: str) -> str:
        project = environ.get("HTTP_X_PROJECT_ID", "") if self._per_project else ""
        if not project:
            return _network_of(address)
        if len(project) > _LONGEST_KEY:
            project = hashlib.blake2b(project.encode("latin-1"), digest_size=32).hexdigest()
        return f"project/{project}"

    def _count(self, client: str) -> tuple[list[tuple[str, str]], int] | None:
        """Returns the response's fields, and the seconds to wait, 0 to pass; None when nobody knows."""
        now = time.monotonic()
        if now - self._failed_at < RETRY_SECONDS:
            return None
        standing = []
        wait = 0
        try:
            for limit, prefix in self._limits:
                count, left = self._counters.hit(prefix + client, limit.seconds)
                ends = min(math.ceil(left), limit.seconds) or 1
                if count > limit.most:
                    wait = max(wait, ends)
                standing.append(f'"{limit.name}";r={max(limit.most - count, 0)};t={ends}')
        except CounterError as error:
            self._note_failure(error)
            return None
        if self._failed_at > 0:
            self._failed_at = -math.inf
            _LOG.warning("rate_limit: the storage is there again")
        fields = [("RateLimit-Policy", self._policy), ("RateLimit", ", ".join(standing))]
        return fields, wait

    def _note_failure(self, error: Exception) -> None:
        if self._failed_at < 0:
            meanwhile = "pass uncounted" if self._fails_open else "get 503"
            _LOG.error("rate_limit: the storage fails, requests %s: %s", meanwhile, error)
        self._failed_at = time.monotonic()


@functools.lru_cache(1024)
def _network_of(address: str) -> str:
    """Returns what one client is given: an IPv4 address, a /64 of IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_LONGEST_KEY] or "unix"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))


def filter_factory(
    global_conf: Mapping[str, str], **local_conf: str
) -> Callable[[WSGIApplication], Any]:
    """Makes the filter.

    Args:
        local_conf: ``limits``, separated by commas, which has to be there; ``per``, address or project;
            ``storage``, memory or a URL of the library's; ``storage_failure``, open or closed;
            ``storage_timeout`` in seconds; ``name``, in front of the keys; ``exempt``, networks.

    Raises:
        ConfigError: for a value that is wrong, and when a library is missing.
    """
    try:
        import limits  # noqa: F401 -- tells whether it is there
    except ImportError:
        raise ConfigError(
            "the library limits is missing: pip install 'wsgisrv[rate-limit]'"
        ) from None
    conf = LocalConf("rate_limit", local_conf, _KEYS)
    exempt = conf.words("exempt")
    if problem := check_networks(exempt):
        raise ConfigError(f"exempt = {conf.text('exempt')}: {problem}")
    found = _limits_of(conf.text("limits"))
    per_project = conf.choice("per", ("address", "project")) == "project"
    fails_open = conf.choice("storage_failure", ("open", "closed")) == "open"
    name = conf.text("name", "wsgisrv")
    counters = _counters_of(
        conf.text("storage", "memory"), conf.seconds("storage_timeout", 0.25, 60)
    )
    return lambda app: RateLimit(
        app, found, counters, name=name, per_project=per_project,
        exempt=Networks(exempt), fails_open=fails_open,
    )  # fmt: skip


def _limits_of(text: str) -> list[Limit]:
    import limits

    allowed = "as 100/minute or 5 per 10 second, several separated by commas, each with a window of its own"
    try:
        items = limits.parse_many(text)
    except ValueError:
        raise wrong("limits", text, allowed) from None
    found = []
    for item in items:
        several = f"{item.multiples}-" if item.multiples > 1 else ""
        name = f"{several}{item.GRANULARITY.name}"
        found.append(Limit(name, item.amount, item.get_expiry()))
    windows = {limit.seconds for limit in found}
    if len(windows) < len(found) or min(*(limit.most for limit in found), *windows) < 1:
        raise wrong("limits", text, allowed)
    return found


def _counters_of(storage: str, timeout: float) -> Counters:
    """Returns the counters; the URL may hold a password, so no message has it."""
    from limits.errors import ConfigurationError
    from limits.storage import Storage, storage_from_string

    from wsgisrv.middleware.stored_counters import StoredCounters

    if storage in ("memory", "memory://"):
        return MemoryCounters()
    scheme = storage.partition("://")[0]
    options = (
        {"socket_timeout": timeout, "socket_connect_timeout": timeout} if "redis" in scheme else {}
    )
    try:
        made = storage_from_string(storage, wrap_exceptions=True, **options)
    except ConfigurationError as error:
        reason = " ".join(str(error).split()).replace(storage, f"{scheme}://...")
        raise ConfigError(
            f"storage = {scheme}://...: {reason}; allowed is memory, or a URL as redis://HOST:PORT/DB"
        ) from None
    except ValueError as error:
        raise ConfigError(f"storage = {scheme}://...: {error}") from None
    if not isinstance(made, Storage):
        raise wrong("storage", f"{scheme}://...", "memory, or a URL as redis://HOST:PORT/DB")
    return StoredCounters(made)
