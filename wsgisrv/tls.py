"""TLS: the certificate files, and the contexts that are made of them.

Rules: the master reads the files, since it may be the only one that may, and makes the contexts, which
its workers inherit by fork: so they share the keys of session tickets. When a file has changed, what
the files say now goes to the workers as ``Material`` through their channels, and each makes new contexts
of it; a connection keeps the context that it began with. A file that is wrong is refused as a whole and
what was good stays. Standard library only.

Facts about the ssl module: a certificate is loaded from a path only, and the names in it are told only of
a peer's that was verified; both are asked of it here in the ways that it has. Loading a second
certificate into a context leaves the first one there when its key is of another kind, so contexts are
made anew. In a patched worker ``ssl.SSLContext`` is eventlet's subclass; only ``wrap_bio`` is used of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError

_LOG = logging.getLogger("wsgisrv.tls")

ALPN = ["http/1.1"]
"""RFC 7301: what a client may choose here. One that offers other protocols only is served none."""

WARN_SECONDS = 14 * 86400.0
"""A certificate that ends sooner is worth a line in the log."""

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, of which the ssl module has no name
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclasses.dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its private key, as PEM text.

    ``option`` is the option's value, for messages.
    """

    option: str
    chain: str
    key: str


@dataclasses.dataclass(frozen=True, slots=True)
class Material:
    """All that the files say, and what the options say about it."""

    certificates: tuple[Certificate, ...]
    client_ca: str
    client_verify: str
    min_version: str
    ciphers: str

    @classmethod
    def read(cls, settings: Settings) -> Material | None:
        """Reads the files that the options name; None when TLS is off.

        Raises:
            ConfigError: for a file that cannot be read.
        """
        if not settings.tls_certificate:
            if settings.tls_client_ca:
                raise ConfigError("[wsgisrv] tls_client_ca: needs a tls_certificate, too")
            return None
        return cls(
            certificates=tuple(map(_read_certificate, settings.tls_certificate)),
            client_ca=_read("tls_client_ca", settings.tls_client_ca),
            client_verify=settings.tls_client_verify,
            min_version=settings.tls_min_version,
            ciphers=settings.tls_ciphers,
        )

    def to_fields(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Material:
        """Returns what ``to_fields`` was called on."""
        certificates = tuple(Certificate(**each) for each in fields["certificates"])
        return cls(**{**fields, "certificates": certificates})


class TlsContexts:
    """What connections are encrypted with.

    ``default`` is the first certificate's context; a client that names one of the others by SNI (RFC 6066
    section 3) is given that one.

    Args:
        material: what to make them of.

    Raises:
        ConfigError: for a certificate, key, CA or cipher that is none.
    """

    def __init__(self, material: Material) -> None:
        self._by_name: dict[str, ssl.SSLContext] = {}
        contexts = []
        for certificate in material.certificates:
            context = _context(material, certificate)
            contexts.append(context)
            for name in _names_of(certificate):
                self._by_name.setdefault(name.lower(), context)
        self.default: ssl.SSLContext = contexts[0]
        if len(contexts) > 1:
            self.default.sni_callback = self._choose

    def _choose(self, tls: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        """Gives a client the certificate of the name that it asks for (RFC 6125 6.4.3: one label
        may be a wildcard), the first one if it asks for none that is here.
        """
        if not name:
            return
        name = name.lower()
        _, _, parent = name.partition(".")
        context = self._by_name.get(name) or self._by_name.get(f"*.{parent}")
        if context is not None:
            tls.context = context


class TlsFiles:
    """The files that the options name, watched for changes. Runs in: master loop.

    Args:
        settings: which files.
        locate: returns what is wrong with an option's value with the place of that value, for the log.

    Raises:
        ConfigError: for what ``Material.read`` and ``TlsContexts`` refuse.
    """

    def __init__(self, settings: Settings, locate: Callable[[str], str] = str) -> None:
        self._settings = settings
        self._locate = locate
        self._state = self._look()
        self.material = Material.read(settings)
        self.contexts = TlsContexts(self.material) if self.material is not None else None

    def has_changed(self) -> bool:
        """Looks at the files; whether they changed and say something else that is right.

        Files that are wrong, or half written, are named in the log once and looked at again when they
        change next; what was read before stays.
        """
        state = self._look()
        if state == self._state:
            return False
        self._state = state
        try:
            material = Material.read(self._settings)
            if material is None or material == self.material:
                return False
            contexts = TlsContexts(material)
        except ConfigError as error:
            _LOG.error("%s; the certificates stay as they were", self._locate(str(error)))
            return False
        self.material, self.contexts = material, contexts
        return True

    def _look(self) -> list[tuple[int, ...]]:
        paths = [
            path for option in self._settings.tls_certificate for path in _paths_of(option) if path
        ]
        if self._settings.tls_client_ca:
            paths.append(self._settings.tls_client_ca)
        state: list[tuple[int, ...]] = []
        for path in paths:
            try:
                found = os.stat(path)
            except OSError:
                state.append((0,))
                continue
            state.append((found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns))
        return state


def _paths_of(option: str) -> tuple[str, str]:
    """Returns the paths of the chain and of the key, which is "" when the chain's file has it."""
    chain, _, key = option.partition(":")
    return chain.strip(), key.strip()


def _read_certificate(option: str) -> Certificate:
    chain_path, key_path = _paths_of(option)
    chain = _read("tls_certificate", chain_path)
    return Certificate(option, chain, _read("tls_certificate", key_path) if key_path else chain)


def _read(option: str, path: str) -> str:
    if not path:
        return ""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"[wsgisrv] {option} = {path}: {error.strerror}") from None


def _context(material: Material, certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[material.min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(ALPN)
    if material.ciphers:
        try:
            context.set_ciphers(material.ciphers)
        except ssl.SSLError:
            raise ConfigError(
                f"[wsgisrv] tls_ciphers = {material.ciphers}: OpenSSL knows none of them; see"
                " openssl ciphers"
            ) from None
    _load(context, certificate)
    if material.client_ca:
        try:
            context.load_verify_locations(cadata=material.client_ca)
        except (ssl.SSLError, ValueError):
            raise ConfigError("[wsgisrv] tls_client_ca: no PEM certificate in the file") from None
        required = material.client_verify == "required"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Loads a chain and its key.

    Raises:
        ConfigError: when they are none, or do not belong together.
    """
    asked: list[bool] = []

    def password() -> bytes:  # else OpenSSL would ask whoever sits at the terminal
        asked.append(True)
        return b""

    where = f"[wsgisrv] tls_certificate = {certificate.option}"
    try:
        with _as_path(certificate.chain) as chain, _as_path(certificate.key) as key:
            context.load_cert_chain(chain, key, password)
    except ssl.SSLError as error:
        if asked:
            reason = "the key is encrypted; give it without a pass phrase, in a file of mode 0600"
        elif error.reason == "KEY_VALUES_MISMATCH":
            reason = "the key is not the certificate's"
        elif error.reason and "TOO_" in error.reason:
            reason = f"OpenSSL finds the certificate too weak ({error.reason})"
        else:
            reason = "no PEM certificate with its private key; allowed is CHAIN or CHAIN:KEY"
        raise ConfigError(f"{where}: {reason}") from None


@contextlib.contextmanager
def _as_path(text: str) -> Iterator[str]:
    """Gives text a path for as long as OpenSSL reads it: in memory where the system can."""
    data = text.encode("ascii", "replace")
    if hasattr(os, "memfd_create") and os.path.isdir("/dev/fd"):
        with open(os.memfd_create("wsgisrv-tls", os.MFD_CLOEXEC), "wb") as file:
            file.write(data)
            file.flush()
            yield f"/dev/fd/{file.fileno()}"
        return
    with tempfile.NamedTemporaryFile("wb") as temporary:  # of mode 0600
        temporary.write(data)
        temporary.flush()
        yield temporary.name


def _names_of(certificate: Certificate) -> Sequence[str]:
    """Returns the names that a certificate is for; says in the log what clients will not like in it."""
    where = f"tls_certificate = {certificate.option}"
    try:
        described = _describe(certificate)
    except ssl.SSLError as error:
        _LOG.warning("%s: clients will refuse it: %s", where, error.reason or error)
        return ()
    ends = ssl.cert_time_to_seconds(described["notAfter"])
    if ends < time.time() + WARN_SECONDS:
        verb = "ended" if ends < time.time() else "ends"
        _LOG.warning("%s: the certificate %s %s", where, verb, described["notAfter"])
    names = [value for kind, value in described.get("subjectAltName", ()) if kind == "DNS"]
    if not names:
        _LOG.warning("%s: clients will refuse it: it names no host", where)
    return names


def _describe(certificate: Certificate) -> Any:
    """Returns what ssl.SSLSocket.getpeercert does, of a certificate of ours.

    The module tells it of a verified peer only; so the two sides shake hands here, in memory, and the
    client trusts just this certificate, whenever it is valid.

    Raises:
        ssl.SSLError: when it is no server's certificate.
    """
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(ours, certificate)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.check_hostname = False
    leaf = _CERTIFICATE.search(certificate.chain)
    theirs.load_verify_locations(cadata=leaf[0] if leaf else "")
    theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = theirs.wrap_bio(to_client, to_server)
    server = ours.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return client.getpeercert()
