"""The options that services expect in their conf once they use oslo.service, with its defaults.

Rules: they are read by the service's own code, and handed to the server as arguments of ``wsgi.Server``; what
each becomes in [wsgisrv] stands in ``wsgi.defaults_of``.
"""

from __future__ import annotations

from oslo_config import cfg

WSGI = (
    cfg.StrOpt("api_paste_config", default="api-paste.ini", help="Paste file of the API."),
    cfg.StrOpt(
        "wsgi_log_format",
        default='%(client_ip)s "%(request_line)s" status: %(status_code)s  len: %(body_length)s'
        " time: %(wall_seconds).7f",
        help="Template of a line of the access log.",
    ),
    cfg.IntOpt(
        "tcp_keepidle", default=600, help="Seconds of silence before TCP probes a connection."
    ),
    cfg.IntOpt("wsgi_default_pool_size", default=100, help="Requests that run at a time."),
    cfg.IntOpt("max_header_line", default=16384, help="Longest header line, in bytes."),
    cfg.BoolOpt("wsgi_keep_alive", default=True, help="Whether connections are kept."),
    cfg.IntOpt(
        "client_socket_timeout",
        default=900,
        help="Seconds that an idle connection is kept; 0 keeps it as long as possible.",
    ),
    cfg.BoolOpt(
        "wsgi_server_debug", default=False, help="Has no effect: clients see no traceback."
    ),
)

SERVICE = (
    cfg.BoolOpt("log_options", default=True, help="Whether all options are logged, at debug."),
    cfg.IntOpt(
        "graceful_shutdown_timeout",
        default=60,
        help="Seconds that requests may take when the service stops; 0 is as long as possible.",
    ),
)

SSL = (
    cfg.StrOpt("ca_file", help="CAs of client certificates."),
    cfg.StrOpt("cert_file", help="Certificate chain."),
    cfg.StrOpt("key_file", help="Private key."),
    cfg.StrOpt("version", help="Has no effect: TLS 1.2 and 1.3 are spoken."),
    cfg.StrOpt("ciphers", help="Ciphers of TLS 1.2."),
)
