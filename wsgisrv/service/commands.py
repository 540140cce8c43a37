"""The command line of a service's own: ``Service.main``.

Rules: without a command's name it serves. The options of the server stand beside the service's own. Commands
that speak to a running service find it by the service's own configuration. Must not import eventlet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from wsgisrv.declared_options import GROUP, options
from wsgisrv.errors import ConfigError, UsageError
from wsgisrv.named import find_named
from wsgisrv.operate import OPERATIONS, operate
from wsgisrv.service.own_config import parse, server_line, split_files

if TYPE_CHECKING:
    from wsgisrv.service.service import Service

_SERVE, _CHECK = "serve", "check"


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceCommand:
    """A subcommand of the service's own.

    Args:
        target: ``module:callable``, called with the conf and the arguments.
        help: one line.
    """

    target: str
    help: str


def run_command(
    service: Service,
    own: Mapping[str, ServiceCommand],
    args: list[str],
    prog: str,
    project: str,
    version: str,
) -> int:
    """Runs what the command line names.

    Args:
        own: the service's own commands, by name.
        args: behind the program's name.
        project: whose configuration files are read where none is named; by default the program's.
        version: of the service.

    Returns:
        The exit code.

    Raises:
        WsgisrvError: for whatever is wrong.
        SystemExit: with code 0, after help or version were printed.
    """
    if args and args[0] in ("--help", "-h", "help"):
        print(_help(prog, own))
        return 0
    name, rest = (args[0], args[1:]) if args and args[0][:1] != "-" else (_SERVE, args)
    called_with = {"project": project or None, "prog": prog, "version": version or None}
    if name == _SERVE:
        return _serve(service, rest, called_with)
    if name == _CHECK:
        return _check(service, rest, called_with)
    if name in OPERATIONS:
        return operate(name, _with_socket(service, rest, called_with), prog)
    if name not in own:
        there = ", ".join([_SERVE, _CHECK, *OPERATIONS, *own])
        raise UsageError(f"no command {name!r}; there are {there}")
    files, rest = split_files(rest)
    parse(service.conf, files, **called_with)
    call = find_named(f"command {name} = {own[name].target}", own[name].target)
    code = call(service.conf, rest)
    if not isinstance(code, int | None):
        raise ConfigError(
            f"command {name} = {own[name].target}: it returned {type(code).__name__}, not an exit code"
        )
    return code or 0


def _serve(service: Service, args: list[str], called_with: dict[str, Any]) -> int:
    prog = called_with["prog"]
    _parse_all(service, args, {**called_with, "usage": f"{prog} [serve] [options]"})
    return service.serve(service.own_config(server_line(service.conf, args)), prog)


def _check(service: Service, args: list[str], called_with: dict[str, Any]) -> int:
    from wsgisrv.check import check_found

    prog = called_with["prog"]
    service.conf.register_cli_opts([cfg.BoolOpt("json", help="Answer with a JSON document.")])
    _parse_all(service, args, {**called_with, "usage": f"{prog} check [--json] [options]"})
    found = service.named(service.own_config(server_line(service.conf, args)).load(prog))
    return check_found(found, with_imports=False, as_json=bool(service.conf["json"]))


def _parse_all(service: Service, args: Sequence[str], called_with: dict[str, Any]) -> None:
    service.conf.register_cli_opts(options(), group=GROUP)
    parse(service.conf, args, **called_with)


def _with_socket(service: Service, args: list[str], called_with: dict[str, Any]) -> list[str]:
    """Returns the arguments with the control socket that the service's own configuration has."""
    files, rest = split_files(args)
    if any(arg.partition("=")[0] in ("--control-socket", "--help", "-h") for arg in rest):
        return rest
    parse(service.conf, files, **called_with)
    settings = service.own_config().load(called_with["prog"]).settings
    return [*rest, f"--control-socket={settings.control_socket}"]


def _help(prog: str, own: Mapping[str, ServiceCommand]) -> str:
    commands = {
        _SERVE: "serve until told to stop; the default",
        _CHECK: "check what serve would do, and serve nobody",
        **{name: operation.help for name, operation in OPERATIONS.items()},
        **{name: command.help for name, command in own.items()},
    }
    width = max(map(len, commands))
    rows = "\n".join(f"  {name:{width}}  {text}" for name, text in commands.items())
    usage = f"usage: {prog} [COMMAND] [options]\n\ncommands:\n{rows}"
    return f"{usage}\n\n{prog} COMMAND --help says all about one."
