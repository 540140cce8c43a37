"""Every option of the server, declared once.

``Settings`` is the table: one frozen field an option, with its default, unit, range and help. The
oslo.config options of group ``[wsgisrv]`` are made from it, and a loaded configuration becomes one
``Settings`` value that is handed to whoever needs it; there is no global configuration object.
Must not import eventlet, webob, paste or routes.
"""

from __future__ import annotations

import dataclasses
import re

from wsgisrv.networks import check_networks
from wsgisrv.option import GIB, KIB, MIB, SERVICE, WORKERS, option

PROXY_HEADERS = (
    "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
    "x-forwarded-prefix",
)  # fmt: skip

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
OBJECT = f"{_DOTTED}:{_DOTTED}"
"""An object in a module, which need not be at its top."""


def check_proxy_headers(names: tuple[str, ...]) -> str:
    """Returns what is wrong with a choice of PROXY_HEADERS, "" for nothing."""
    for name in names:
        if name not in PROXY_HEADERS:
            return f"allowed are {', '.join(PROXY_HEADERS)}"
    if "forwarded" in names and len(names) > 1:
        return "forwarded says it all and stands alone"
    return ""


def check_names(names: tuple[str, ...]) -> str:
    """Returns what is wrong with the names of servers, "" for nothing."""
    for index, name in enumerate(names):
        if not re.fullmatch("[a-z][a-z0-9_]{0,31}", name):
            return (
                "a server's name has lower-case letters, digits and _, 32 at most, a letter first"
            )
        if name in names[:index]:
            return f"{name} is named twice"
    return ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One value of each option. Times are in seconds, names that end in ``_bytes`` are in bytes."""

    # What is served, and where
    servers: tuple[str, ...] = option(
        (),
        "Names of several APIs to serve, each with a section of its own, as [wsgisrv_admin] for admin,"
        " which has its bind, and whatever else differs from [wsgisrv]. With workers in it, the server"
        " has worker processes of its own; the others share those of [wsgisrv].",
        metavar="NAME,...",
        is_list=True,
        check=check_names,
        scope=SERVICE,
    )
    paste_config: str = option(
        "",
        "Paste file to serve, as PATH or PATH#APP. APP defaults to 'main'. Of a directory, all its *.ini are"
        " read as one file, in the order of their names.",
        metavar="PATH[#APP]",
    )
    app: str = option(
        "",
        "WSGI app to serve in place of a paste file, as MODULE:NAME. It is imported in each worker, after the"
        " patching; the module may be in the working directory.",
        pattern=(f"|{OBJECT}", "module:name"),
        metavar="MODULE:NAME",
    )
    factory: str = option(
        "",
        "Function without arguments that makes the app to serve, as MODULE:NAME, otherwise as app.",
        pattern=(f"|{OBJECT}", "module:name"),
        metavar="MODULE:NAME",
    )
    bind: tuple[str, ...] = option(
        ("127.0.0.1:8080",),
        "Address to listen on: host:port, [v6]:port, unix:/path or fd://N; may be given more than"
        " once. Sockets handed over by systemd (LISTEN_FDS) take the place of the default, and are served"
        " beside what is given here; fd://NAME takes those with that FileDescriptorName= only.",
        metavar="ADDR",
    )
    bind_timeout: float = option(
        3.0,
        "Seconds during which an address that is in use is tried again, since a predecessor may be"
        " about to leave it. 0 tries once.",
        min=0,
        max=600,
        mutable=True,
        scope=SERVICE,
    )
    backlog: int = option(
        2048,
        "Connections that the kernel holds for a listener until a worker accepts them. The kernel"
        " caps it at net.core.somaxconn.",
        min=1,
        max=65535,
    )
    unix_mode: str = option(
        "0660",
        "Permissions of the file of a unix socket, in octal; who may write it may connect. By default"
        " that is the owner and the group: a proxy in front is let in by its group, and no other user of"
        " the machine gets past it. The file has them from the first moment at which it can be used.",
        pattern=("0?[0-7]{3}", "three octal digits, as in 0660"),
        metavar="OCTAL",
    )
    unix_owner: str = option(
        "",
        "Owner of the file of a unix socket, as USER, USER:GROUP or :GROUP. Empty leaves it to the system:"
        " the master's own user and group.",
        pattern=("|[^:]+(:[^:]+)?|:[^:]+", "USER, USER:GROUP or :GROUP"),
        metavar="OWNER",
    )
    reuse_port: bool = option(
        False,
        "Lets several masters of one user listen on the same TCP port (SO_REUSEPORT); the kernel spreads new"
        " connections over them. The workers of one master share one socket all the same: with one for"
        " each, a worker that drains would reset the connections that wait on its own.",
    )
    tcp_keepidle: int = option(
        600,
        "Seconds of silence after which the kernel probes whether a client's machine is still there"
        " (TCP keep-alive), so that a connection which no other deadline ends, as an upgraded one, ends"
        " at last. 0 sends no probes. With Linux's own interval and count, the default finds a dead"
        " machine in 22 minutes; the system's own would take over two hours.",
        min=0,
        max=32767,
    )
    tcp_keepintvl: int = option(
        0, "Seconds between two such probes. 0 leaves it to the system.", min=0, max=32767
    )
    tcp_keepcnt: int = option(
        0,
        "Such probes without an answer after which the connection is dead. 0 leaves it to the system.",
        min=0,
        max=127,
    )

    # TLS
    tls_certificate: tuple[str, ...] = option(
        (),
        "PEM file with a certificate chain, leaf first, and its private key, as CHAIN or CHAIN:KEY."
        " Given, every TCP listener speaks TLS only; a unix socket never does. With more than one,"
        " a client gets the one that has the name it asks for (SNI), else the first. Read again"
        " when a file changes, and on HUP; connections stay.",
        metavar="CHAIN[:KEY]",
    )
    tls_client_ca: str = option(
        "",
        "PEM file with the CAs of client certificates; without it, none is asked for.",
        metavar="PATH",
    )
    tls_client_verify: str = option(
        "required",
        "Whether a client must have a certificate of tls_client_ca's or only may. The subject is"
        " SSL_CLIENT_S_DN in the environ.",
        choices=("required", "optional"),
    )
    tls_min_version: str = option(
        "1.2", "Oldest version of TLS that is spoken.", choices=("1.2", "1.3")
    )
    tls_ciphers: str = option(
        "",
        "Ciphers of TLS 1.2, as in openssl-ciphers(1). Empty leaves it to OpenSSL, whose choice ages"
        " better.",
    )

    # Proxies
    proxy_protocol_from: tuple[str, ...] = option(
        (),
        "Networks whose connections begin with a PROXY protocol header, version 1 or 2; 'unix' is the"
        " peers of unix sockets. From them it must come, within header_timeout; from others it is"
        " not looked for. The header's addresses then count as the connection's.",
        metavar="NETWORK,...",
        is_list=True,
        check=check_networks,
    )
    trusted_proxies: tuple[str, ...] = option(
        (),
        "Networks of proxies that are believed when they say, by trusted_proxy_headers, who a"
        " request is from; 'unix' is the peers of unix sockets. The lists are read from the right,"
        " as far as proxies are trusted. Given, such headers are taken out of requests where they"
        " are not believed; without it they are left to the app.",
        metavar="NETWORK,...",
        is_list=True,
        check=check_networks,
    )
    trusted_proxy_headers: tuple[str, ...] = option(
        ("x-forwarded-for", "x-forwarded-proto"),
        "Headers that every trusted proxy sets or removes: x-forwarded-for, x-forwarded-proto,"
        " x-forwarded-host, x-forwarded-port, x-forwarded-prefix; or forwarded (RFC 7239) alone."
        " Name none that a proxy passes on as its client sent it.",
        metavar="HEADER,...",
        is_list=True,
        check=check_proxy_headers,
    )

    # Processes
    workers: int = option(
        0,
        "Worker processes. 0 means one for each core that the master may run on (its CPU affinity"
        " and, on Linux, its cgroup's CPU quota).",
        min=0,
        max=256,
        scope=WORKERS,
    )
    worker_timeout: float = option(
        60.0,
        "Seconds without a beat after which a worker is taken for stuck, killed and replaced. 0"
        " never does so. Well above the longest block that the app is known to cause.",
        min=0,
        max=86400,
        mutable=True,
        scope=WORKERS,
    )
    blocked_warning: float = option(
        0.25,
        "Seconds that the hub may be late before the log says, once, what holds it: the stack and the"
        " request. 0 never looks. Far below worker_timeout.",
        min=0,
        max=3600,
        mutable=True,
        scope=WORKERS,
    )
    boot_timeout: float = option(
        120.0,
        "Seconds that a worker may take from fork to READY: importing and loading the app. 0 waits"
        " for ever.",
        min=0,
        max=86400,
        mutable=True,
        scope=WORKERS,
    )
    graceful_timeout: float = option(
        30.0,
        "Seconds that a draining worker has to finish its requests before it is killed.",
        min=0,
        max=86400,
        mutable=True,
        scope=WORKERS,
    )
    shutdown_delay: float = option(
        0.0,
        "Seconds that a graceful stop of the service waits before its workers drain, while it says that it"
        " is not ready (egg:wsgisrv#healthcheck) and serves on. 0, the default, drains at once, as"
        " suits a service that no proxy asks. Behind one: longer than it takes to notice, as its"
        " check's interval times the failures that it asks for. A reload does not wait.",
        min=0,
        max=86400,
        mutable=True,
        scope=WORKERS,
    )

    # Recycling: a worker is drained when its replacement is ready, one at a time
    max_requests: int = option(
        0,
        "Responses after which a worker is replaced by a fresh one, for apps that leak. 0 sets no"
        " limit.",
        min=0,
        max=1_000_000_000,
        mutable=True,
        scope=WORKERS,
    )
    max_requests_jitter: int = option(
        0,
        "Most that is added to max_requests, by a different share for each worker, so that they are"
        " not due together.",
        min=0,
        max=1_000_000_000,
        mutable=True,
        scope=WORKERS,
    )
    max_worker_lifetime: float = option(
        0.0,
        "Seconds after which a worker is replaced by a fresh one. 0 sets no limit.",
        min=0,
        max=31_536_000,
        mutable=True,
        scope=WORKERS,
    )
    max_worker_lifetime_jitter: float = option(
        0.0,
        "Most seconds that are added to max_worker_lifetime, as for max_requests_jitter.",
        min=0,
        max=31_536_000,
        mutable=True,
        scope=WORKERS,
    )
    max_worker_rss_bytes: int = option(
        0,
        "Resident memory at which a worker is replaced by a fresh one, looked at once a second from"
        " 5 s after it was ready. 0 sets no limit. Well above what the app needs under load.",
        min=0,
        mutable=True,
        scope=WORKERS,
    )

    # The worker
    hub: str = option(
        "auto",
        "Eventlet hub. auto takes the first that works of epolls, kqueue, poll and selects.",
        choices=("auto", "epolls", "kqueue", "poll", "selects", "asyncio"),
        scope=WORKERS,
    )
    pool_size: int = option(
        1000,
        "Requests that one worker runs at a time; more of them wait for a free slot. One that waits"
        " for its client, to send more of a body or to take more of a response, holds none.",
        min=1,
        max=1_000_000,
    )

    # Blocking code (wsgisrv.blocking)
    blocking_threads: int = option(
        20,
        "Native threads of one worker for calls by wsgisrv.blocking.in_thread; further calls wait for one."
        " They are started when they are needed. As many as calls are to wait in C code at a time: one"
        " costs little while it waits.",
        min=1,
        max=1000,
        scope=WORKERS,
    )
    blocking_queue: int = option(
        0,
        "Calls of one worker that may wait for such a thread; one more is refused, which is 503 with"
        " Retry-After where the app does not handle it. 0 sets no bound of its own: pool_size bounds the"
        " requests that can call.",
        min=0,
        max=1_000_000,
        scope=WORKERS,
    )

    cpu_workers: int = option(
        0,
        "Helper processes of the service for calls by wsgisrv.blocking.in_process: computations that would"
        " hold a worker's thread. 0 makes none, and such a call fails. One for each core that is to compute"
        " at a time; they run at a lower priority (nice 5) than workers.",
        min=0,
        max=64,
        scope=SERVICE,
    )
    cpu_queue: int = option(
        64,
        "Jobs that may wait for such a process, in all workers together; one more is refused, which is 503"
        " with Retry-After where the app does not handle it. What waits longer than its client does is"
        " computed for nobody.",
        min=1,
        max=100_000,
        scope=SERVICE,
    )
    cpu_timeout: float = option(
        60.0,
        "Seconds that such a job may run where its caller does not say otherwise; then its process is killed"
        " and replaced. 0 sets no limit.",
        min=0,
        max=86400,
        scope=SERVICE,
    )

    # Logs
    access_log: str = option(
        "-",
        "Where the access log goes: '-' is where the server's log goes, a path appends to a file, 'syslog'"
        " and 'journal' are the daemons of the machine ('syslog:/path' names another socket), 'off' is"
        " none. No request waits for it: while it cannot be written, 512 KiB of lines are kept for each"
        " worker, and further ones are counted.",
    )
    access_log_format: str = option(
        "oslo",
        "Format of an access log line: oslo, as oslo.service's; combined, as Apache's; json, an object with"
        " all that is known; or a text with placeholders, of which eventlet's and"
        " oslo.service's client_ip, client_port, date_time, request_line, status_code, body_length and"
        ' wall_seconds are some (README, "Logs"). Among several servers oslo has the server\'s name'
        " in front.",
    )
    log_config: str = option(
        "",
        "File that says how workers log, the app's loggers and ours: a dictConfig of Python's logging in JSON"
        " (.json) or TOML (.toml), or options of oslo.log (.conf or .ini), which has to be installed."
        " Formats may use the field request_id. Read when a worker boots. Empty is one line a record"
        " where the server's log goes.",
        metavar="PATH",
        scope=WORKERS,
    )
    tracing: str = option(
        "off",
        "Traces requests with OpenTelemetry (pip install 'wsgisrv[otel]'): a span for each, continued from"
        " the client's traceparent, sent by OTLP over HTTP. Where to, what to sample and as which service"
        " say OpenTelemetry's own environment variables, as OTEL_EXPORTER_OTLP_ENDPOINT. off costs"
        " nothing.",
        choices=("off", "otel"),
        scope=WORKERS,
    )
    log_file: str = option(
        "",
        "File that the server's log is appended to. Empty is stderr, which a daemon does not have. Opened"
        " anew by USR1 and wsgisrv logs-reopen, in the master and every worker. Where it cannot be written"
        " the service runs on, and the log says later how many lines are missing.",
        metavar="PATH",
        at_start=True,
        scope=SERVICE,
    )
    log_level: str = option(
        "info",
        "Least severe level that the server logs.",
        choices=("debug", "info", "warning", "error", "critical"),
        mutable=True,
        scope=SERVICE,
    )

    # Control
    control_socket: str = option(
        "auto",
        "Path of the unix socket by which wsgisrv status, reload, stop and the others speak to the"
        " master; only its own user and root may. auto makes one in $XDG_RUNTIME_DIR/wsgisrv,"
        " /run/wsgisrv (root) or ~/.local/state/wsgisrv/run, where the commands look for it; off"
        " makes none.",
        metavar="PATH",
        at_start=True,
        scope=SERVICE,
    )
    admin_bind: str = option(
        "",
        "Address at which the service shows how it is: a page at /, metrics for Prometheus at /metrics."
        " 127.0.0.1:PORT or [::1]:PORT, which every user of the machine may ask, or unix:/path, which only"
        " the master's own user and root may. Empty makes none. Request lines and stacks are shown, never a"
        " query, a header or a body.",
        metavar="ADDR",
        at_start=True,
        scope=SERVICE,
    )
    admin_public: bool = option(
        False,
        "Lets admin_bind be an address that other machines reach. There is no password: whoever can connect"
        " sees it all.",
        at_start=True,
        scope=SERVICE,
    )
    admin_hosts: tuple[str, ...] = option(
        (),
        "Names by which admin_bind may be asked, beside localhost and addresses: any other Host is refused,"
        " or a page elsewhere could read it by a name that it has lead here (DNS rebinding).",
        metavar="NAME,...",
        is_list=True,
        at_start=True,
        scope=SERVICE,
    )
    statsd: str = option(
        "",
        "StatsD server that is sent the metrics, as HOST:PORT (UDP). Empty sends none. Needs datadog's client"
        " (pip install 'wsgisrv[statsd]'); works without admin_bind.",
        metavar="HOST:PORT",
        at_start=True,
        scope=SERVICE,
    )
    statsd_prefix: str = option(
        "wsgisrv",
        "What the names of these metrics begin with.",
        pattern=("[A-Za-z0-9_.-]+", "letters, digits, dots, _ and -"),
        at_start=True,
        scope=SERVICE,
    )
    statsd_interval: float = option(
        10.0,
        "Seconds between two times that they are sent.",
        min=1,
        max=3600,
        at_start=True,
        scope=SERVICE,
    )
    backdoor: str = option(
        "off",
        "Gives each worker a unix socket with a Python console inside it, for trouble that nothing else"
        " explains; only the master's own user and root may open it, and whoever does can do all that the"
        " service can. auto makes it in the directory of control_socket's auto; a path names"
        " another directory, which nobody else may enter; off, the default, makes none. wsgisrv"
        " status says where they are.",
        pattern=("off|auto|/.+", "off, auto or the absolute path of a directory"),
        metavar="DIRECTORY",
        scope=WORKERS,
    )

    # The service as a process: read at the start only
    daemon: bool = option(
        False,
        "Runs in the background, in a session of its own, with standard streams that lead to log_file or"
        " nowhere. The command returns when the service is ready, else with its exit code and reason. Not"
        " for systemd, whose Type=notify does better.",
        at_start=True,
        scope=SERVICE,
    )
    pid_file: str = option(
        "",
        "File with the master's pid while it runs. That of a dead master is replaced, that of a live one"
        " refused. Empty writes none.",
        metavar="PATH",
        at_start=True,
        scope=SERVICE,
    )
    user: str = option(
        "",
        "User, by name or number, that the master becomes when addresses are bound and its files are open;"
        " workers are this user from their first moment. Only root may become another one. Empty stays.",
        metavar="USER",
        at_start=True,
        scope=SERVICE,
    )
    group: str = option(
        "",
        "Group, by name or number, that the master is then in, beside those that user is a member of. Empty"
        " is user's own.",
        metavar="GROUP",
        at_start=True,
        scope=SERVICE,
    )
    umask: str = option(
        "",
        "Permissions, in octal, that new files of the service do not get. Empty leaves it as it was.",
        pattern=("|0?[0-7]{3}", "three octal digits, as in 027"),
        metavar="OCTAL",
        at_start=True,
        scope=SERVICE,
    )
    chdir: str = option(
        "",
        "Directory that the service works in. Relative paths start there, but for those of configuration"
        " files, which are read before. Empty stays where it was started, a daemon too.",
        metavar="PATH",
        at_start=True,
        scope=SERVICE,
    )
    proc_name: str = option(
        "",
        "Name that ps and top show, with what the process is: master or worker, its generation and state."
        " Needs setproctitle (pip install 'wsgisrv[proctitle]'). Empty leaves the command line.",
        metavar="NAME",
        at_start=True,
        scope=SERVICE,
    )
    nofile: int = option(
        0,
        "Files and connections that the master and each worker may have open. 0 is the hard limit, which the"
        " soft limit is raised to: the common soft one, 1024, is far less than max_connections.",
        min=0,
        max=2**30,
        at_start=True,
        scope=SERVICE,
    )

    # Limits on a request (RFC 9112 and RFC 9110 name no figure but the first)
    max_target_bytes: int = option(
        8000,
        "Longest request target; a longer one is answered 414. RFC 9112 section 3 asks for 8000 at"
        " least.",
        min=8000,
        max=MIB,
    )
    max_header_count: int = option(
        100, "Header fields in a request; more are answered 431.", min=10, max=10_000
    )
    max_header_bytes: int = option(
        16 * KIB,
        "Longest single header field, name and value; a longer one is answered 431. The default"
        " has room for a Keystone token with a large catalogue.",
        min=1024,
        max=MIB,
    )
    max_headers_bytes: int = option(
        64 * KIB,
        "Longest header block of a request, all fields together; more is answered 431.",
        min=1024,
        max=16 * MIB,
    )
    header_underscores: str = option(
        "drop",
        "What becomes of a header whose name has an underscore, which the environ could not tell"
        " from a hyphen: drop the field, or refuse the request with 400.",
        choices=("drop", "refuse"),
    )
    max_chunk_line_bytes: int = option(
        1024,
        "Longest chunk-size line of a chunked body, extensions included; a longer one is answered"
        " 431.",
        min=32,
        max=64 * KIB,
    )
    max_trailer_bytes: int = option(
        8 * KIB,
        "Longest trailer section behind a chunked body; a longer one is answered 431.",
        min=256,
        max=MIB,
    )
    max_body_bytes: int = option(
        5 * GIB,
        "Longest request body; a longer one is answered 413, before it is read where its length is"
        " declared. Bodies are streamed, so a large bound costs no memory. 0 means no bound.",
        min=0,
    )
    max_drain_bytes: int = option(
        64 * KIB,
        "Most of an unread request body that is read and thrown away to keep the connection; with"
        " more left, the connection is closed after the response.",
        min=0,
        max=GIB,
    )

    # Time
    header_timeout: float = option(
        20.0,
        "Seconds from a request's first byte to the end of its head, however slowly it drips;"
        " later is answered 408. Also the time that a new connection may send nothing.",
        min=0.1,
        max=3600,
    )
    body_timeout: float = option(
        30.0,
        "Seconds between two pieces of a request body that the app waits for; longer is 408.",
        min=0.1,
        max=3600,
    )
    min_body_rate: int = option(
        128,
        "Bytes a second, over the whole time that the app waited for a request body, below which it"
        " is given up with 408; judged after body_timeout. 0 asks for none.",
        min=0,
        max=GIB,
    )
    write_timeout: float = option(
        60.0,
        "Seconds during which a client may take nothing of a response that waits for it; longer"
        " closes the connection.",
        min=0.1,
        max=86400,
    )
    keepalive_timeout: float = option(
        75.0,
        "Seconds that a connection may be idle between two requests. 0 closes every connection"
        " after its first response.",
        min=0,
        max=86400,
    )
    request_timeout: float = option(
        0.0,
        "Seconds that a request may run; then its greenlet gets a timeout, and the client 503 if"
        " nothing was sent yet. 0 sets no limit.",
        min=0,
        max=86400,
    )

    # Connections
    max_connections: int = option(
        16384,
        "Connections that one worker holds; at the bound it accepts none until one ends.",
        min=1,
        max=1_000_000,
    )
    max_connections_per_client: int = option(
        0,
        "Connections that one worker holds for one client address; a further one is closed. 0 sets"
        " no limit, as is needed behind a proxy that does not say by the PROXY protocol who the client"
        " is: a header is not asked.",
        min=0,
        max=1_000_000,
    )
