"""``oslo_service.sslutils``: whether a service speaks TLS, and with what."""

from __future__ import annotations

import os

from oslo_config import cfg

from wsgisrv.compat.oslo_service.options import SSL


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Registers the options of group [ssl]."""
    conf.register_opts(SSL, group="ssl")


def is_enabled(conf: cfg.ConfigOpts) -> bool:
    """Whether a certificate is named.

    Raises:
        RuntimeError: when a file is not there, or one of certificate and key is not named.
    """
    register_opts(conf)
    for name in ("cert_file", "ca_file", "key_file"):
        path = conf.ssl[name]
        if path and not os.path.exists(path):
            raise RuntimeError(f"[ssl] {name} = {path}: no such file")
    if bool(conf.ssl.cert_file) != bool(conf.ssl.key_file):
        raise RuntimeError("[ssl] cert_file and key_file: there has to be both of them, or neither")
    return bool(conf.ssl.cert_file)
