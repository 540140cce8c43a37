"""Options by the names that services have had for them, in the sections where their files have them.

Rules: a name here means what it meant, so a value may become another one, or several options; what was true
where nothing stood is no part of it. The new name wins over the old one, wherever it stands. Each use is
one line that says what to write instead. None is about an option that changes live. Values are text until
oslo.config reads them as the new option's. Must not import eventlet, webob, paste or routes.

Facts about the names: those of [DEFAULT] and [ssl] are oslo.service's, where eventlet.wsgi's socket_timeout
is ``client_socket_timeout``; it bounds each wait for a client, an idle connection too, and 0 is for ever.
[wsgi] is Nova's. ``NAME_listen`` and ``NAME_listen_port`` are of an API by NAME, which is its section in the
paste file, too; without the one it listens on all addresses, without the other on a port of its own.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from wsgisrv.config_files import Assignment, ConfigFiles
from wsgisrv.errors import ConfigError

DEFAULT = "DEFAULT"
EVERY = "0.0.0.0"  # noqa: S104  # what services listen on where their file names a port alone

PORTS = {
    "ec2": "8773",
    "metadata": "8775",
    "osapi_compute": "8774",
    "osapi_share": "8786",
    "osapi_volume": "8776",
}
"""Of APIs by name, where no port stands in the file."""

_API_KEY = re.compile("(osapi_[a-z0-9_]+?|ec2|metadata)_(listen|listen_port)")
_TRUE = {"true", "1", "on", "yes"}
_FALSE = {"false", "0", "off", "no"}
_NAME = re.compile(r"\$\{?([a-z_][a-z0-9_]*)\}?")

Values = dict[str, "str | list[str]"]
"""Of options, by name, as text; a list for one that may be given more than once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Translated:
    """What old names say.

    Args:
        values: of [wsgisrv], and by its name of each server.
        origins: of the same options, where they stand.
        warnings: one line each.
        servers: what ``servers`` becomes; () where it does not.
    """

    values: Mapping[str, Values]
    origins: Mapping[tuple[str, str], Assignment]
    warnings: Sequence[str]
    servers: tuple[str, ...] = ()


def _same(option: str) -> Callable[[str], Values]:
    return lambda text: {option: text}


def _keep_alive(text: str) -> Values:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("allowed is true or false")
    return {} if text.lower() in _TRUE else {"keepalive_timeout": "0"}


def _socket_timeout(text: str) -> Values:
    """A head keeps ``header_timeout``: it bounds the whole head, not each wait."""
    if not text.isascii() or not text.isdecimal():
        raise ValueError("allowed is a whole number of seconds, 0 for no limit")
    seconds = int(text) or 86400
    return {
        "body_timeout": str(min(seconds, 3600)),
        "write_timeout": str(min(seconds, 86400)),
        "keepalive_timeout": str(min(seconds, 86400)),
    }


_SIMPLE: Sequence[tuple[str, str, tuple[str, ...], Callable[[str], Values]]] = (
    (DEFAULT, "wsgi_default_pool_size", ("pool_size",), _same("pool_size")),
    (DEFAULT, "wsgi_keep_alive", ("keepalive_timeout",), _keep_alive),
    (DEFAULT, "http_keepalive", ("keepalive_timeout",), _keep_alive),
    (
        DEFAULT, "client_socket_timeout", ("body_timeout", "write_timeout", "keepalive_timeout"),
        _socket_timeout,
    ),
    (DEFAULT, "max_header_line", ("max_header_bytes",), _same("max_header_bytes")),
    (DEFAULT, "wsgi_log_format", ("access_log_format",), _same("access_log_format")),
    (DEFAULT, "tcp_keepidle", ("tcp_keepidle",), _same("tcp_keepidle")),
    (DEFAULT, "backlog", ("backlog",), _same("backlog")),
    ("wsgi", "default_pool_size", ("pool_size",), _same("pool_size")),
    ("wsgi", "keep_alive", ("keepalive_timeout",), _keep_alive),
    (
        "wsgi", "client_socket_timeout", ("body_timeout", "write_timeout", "keepalive_timeout"),
        _socket_timeout,
    ),
    ("wsgi", "max_header_line", ("max_header_bytes",), _same("max_header_bytes")),
    ("wsgi", "wsgi_log_format", ("access_log_format",), _same("access_log_format")),
    ("wsgi", "tcp_keepidle", ("tcp_keepidle",), _same("tcp_keepidle")),
    ("wsgi", "ssl_ca_file", ("tls_client_ca",), _same("tls_client_ca")),
    ("ssl", "ca_file", ("tls_client_ca",), _same("tls_client_ca")),
    ("ssl", "ciphers", ("tls_ciphers",), _same("tls_ciphers")),
)  # fmt: skip

_PASTE = ((DEFAULT, "api_paste_config"), ("wsgi", "api_paste_config"))
_CERTIFICATES = (("ssl", "cert_file", "key_file"), ("wsgi", "ssl_cert_file", "ssl_key_file"))
_APIS = (DEFAULT, "enabled_apis")


def old_names() -> Iterator[tuple[str, str, str]]:
    """Yields section, old name and option, for documents: an API's names are those of PORTS."""
    for section, key, options, _ in _SIMPLE:
        yield from ((section, key, option) for option in options)
    yield from ((*place, "paste_config") for place in _PASTE)
    for section, *keys in _CERTIFICATES:
        yield from ((section, key, "tls_certificate") for key in keys)
    yield (*_APIS, "servers")
    yield from ((DEFAULT, key, "bind") for key in ("bind_host", "bind_port"))
    for api in PORTS:
        yield from ((DEFAULT, f"{api}_{end}", "bind") for end in ("listen", "listen_port"))
        yield DEFAULT, f"{api}_workers", "workers"


def new_names(key: str) -> list[str]:
    """Returns the options that an old name became, for who writes it into a new section."""
    return list(dict.fromkeys(option for _, old, option in old_names() if old == key))


class Translator:
    """Reads the old names in files.

    Args:
        variables: files that $NAME in a value is looked for in.
        given: whether an option is given by its own name, to a server; "" is for [wsgisrv].
        section_of: returns a server's section.
        find_file: finds a relative path beside the files.
    """

    def __init__(
        self,
        files: ConfigFiles,
        variables: ConfigFiles,
        given: Callable[[str, str], bool],
        section_of: Callable[[str], str],
        find_file: Callable[[str], str | None],
    ) -> None:
        self._files = files
        self._variables = variables
        self._given = given
        self._section_of = section_of
        self._find_file = find_file
        self._values: dict[str, Values] = {}
        self._origins: dict[tuple[str, str], Assignment] = {}
        self._warnings: list[str] = []

    def translate(self, servers: tuple[str, ...]) -> Translated:
        """Returns what they say.

        Args:
            servers: as they are given by their new name.

        Raises:
            ConfigError: for a wrong value, and for addresses of several APIs of which none is chosen.
        """
        for section, key, _, convert in _SIMPLE:
            if (found := self._find(section, key)) is not None:
                try:
                    values = convert(found.value)
                except ValueError as error:
                    raise ConfigError(f"{found}: {error}") from None
                self._take([found], values)
        named = () if servers else self._named()
        apis = servers or named or self._apis()
        several = len(apis) > 1 or bool(servers)
        self._certificates(() if several else apis)
        self._paste(apis, several)
        for api in apis:
            self._address(api, api if several else "")
        self._warn_of_others(apis)
        self._host_and_port(several)
        return Translated(
            self._values, self._origins, tuple(self._warnings), named if len(named) > 1 else ()
        )

    # What there is

    def _find(self, section: str, key: str) -> Assignment | None:
        found = self._files.last(section, key)
        if found is None:
            return None
        return dataclasses.replace(found, value=self._filled(found))

    def _filled(self, found: Assignment) -> str:
        """Returns the value with what it takes from others, as $my_ip."""

        def value_of(match: re.Match[str]) -> str:
            other = self._variables.last(found.section, match[1]) or self._variables.last(
                DEFAULT, match[1]
            )
            if other is None or "$" in other.value:
                raise ConfigError(f"{found}: ${match[1]} has no value in the files")
            return other.value

        return _NAME.sub(value_of, found.value)

    def _named(self) -> tuple[str, ...]:
        """Returns the APIs that ``enabled_apis`` names."""
        found = self._find(*_APIS)
        if found is None or self._given("servers", ""):
            return ()
        apis = tuple(api.strip() for api in found.value.split(",") if api.strip())
        for api in apis:
            if not re.fullmatch("[a-z][a-z0-9_]{0,31}", api):
                raise ConfigError(f"{found}: allowed are names of APIs, as osapi_compute,metadata")
        if len(apis) > 1:
            self._take([found], {"servers": ",".join(apis)})
        else:
            self._warn(found, "nothing to write, since it is one API")
        return apis

    def _apis(self) -> tuple[str, ...]:
        """Returns the API whose address stands in the files, if it is one."""
        found: dict[str, Assignment] = {}
        for each in self._files.of(DEFAULT):
            if match := _API_KEY.fullmatch(each.key):
                found.setdefault(match[1], each)
        if len(found) == 1:
            return tuple(found)
        if found and not self._given("bind", ""):
            first, second, *_ = found.values()
            raise ConfigError(
                f"{first}: and {second.key} are of several APIs; write in [wsgisrv]"
                f" servers = {', '.join(found)}, or bind"
            )
        return ()

    # What becomes of it

    def _paste(self, apis: Sequence[str], several: bool) -> None:
        for section, key in _PASTE:
            found = self._find(section, key)
            if found is None:
                continue
            path = found.value
            if not path.startswith("/"):
                path = self._find_file(path) or path
            if not several:
                name = f"#{apis[0]}" if apis and "#" not in path else ""
                self._take([found], {"paste_config": path + name})
                continue
            for api in apis:
                name = f"#{api}" if "#" not in path else ""
                self._take([found], {"paste_config": path + name}, api)

    def _certificates(self, apis: Sequence[str]) -> None:
        for section, cert_key, key_key in _CERTIFICATES:
            certificate, key = self._find(section, cert_key), self._find(section, key_key)
            if certificate is None:
                if key is not None:
                    raise ConfigError(f"{key}: needs {cert_key}, too")
                continue
            origins = [certificate, *([key] if key else [])]
            if any(self._says_no(f"{api}_use_ssl") for api in apis):
                for each in origins:
                    self._warn(each, f"without effect, since {apis[0]}_use_ssl is false")
                continue
            pair = f"{certificate.value}:{key.value}" if key else certificate.value
            self._take(origins, {"tls_certificate": [pair]})

    def _says_no(self, key: str) -> bool:
        found = self._find(DEFAULT, key)
        return found is not None and found.value.lower() in _FALSE

    def _address(self, api: str, server: str) -> None:
        host = self._find(DEFAULT, f"{api}_listen")
        port = self._find(DEFAULT, f"{api}_listen_port")
        origins = [each for each in (host, port) if each is not None]
        if origins:
            number = port.value if port else PORTS.get(api, "")
            if not number:
                raise ConfigError(f"{origins[0]}: needs {api}_listen_port, too")
            address = _joined(host.value if host else EVERY, number, port or origins[0])
            self._take(origins, {"bind": [address]}, server)
        if (workers := self._find(DEFAULT, f"{api}_workers")) is not None:
            self._take([workers], {"workers": workers.value}, server)

    def _warn_of_others(self, apis: Sequence[str]) -> None:
        """Warns of addresses of APIs that are not served."""
        for key in dict.fromkeys(each.key for each in self._files.of(DEFAULT)):
            match = _API_KEY.fullmatch(key)
            if match and match[1] not in apis and (found := self._files.last(DEFAULT, key)):
                self._warn(found, f"without effect, since {match[1]} is not what is served")

    def _host_and_port(self, several: bool) -> None:
        host, port = self._find(DEFAULT, "bind_host"), self._find(DEFAULT, "bind_port")
        origins = [each for each in (host, port) if each is not None]
        if not origins:
            return
        if several:
            for each in origins:
                self._warn(each, "without effect, since each of several servers has its bind")
        elif port is None and not self._given("bind", ""):
            raise ConfigError(f"{origins[0]}: needs bind_port, too")
        else:
            number = port.value if port else "0"
            address = _joined(host.value if host else EVERY, number, origins[-1])
            self._take(origins, {"bind": [address]})

    def _take(self, origins: Sequence[Assignment], values: Values, server: str = "") -> None:
        """Has options get values, unless they have been given some; the first old name wins."""
        known = self._values.setdefault(server, {})
        taken = {
            option: value
            for option, value in values.items()
            if option not in known and not self._given(option, server)
        }
        known.update(taken)
        for option in taken:
            self._origins[server, option] = origins[0]
        where = f"[{self._section_of(server)}]"
        write = ", ".join(f"{option} = {_text(value)}" for option, value in taken.items())
        for origin in origins:
            if taken:
                self._warn(origin, f"write in {where} {write}")
            elif values:
                self._warn(origin, f"without effect, since {where} {next(iter(values))} is given")
            else:
                self._warn(origin, "nothing to write, since it is so by default")

    def _warn(self, origin: Assignment, what: str) -> None:
        self._warnings.append(
            f"{origin.path}: [{origin.section}] {origin.key}: is a deprecated name; {what}"
        )


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _joined(host: str, port: str, origin: Assignment) -> str:
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535):
        raise ConfigError(f"{origin}: allowed is a port of 0 to 65535")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
