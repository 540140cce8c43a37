"""The options of ``Settings`` as oslo.config declares them, with the names that they have where.

Rules: nothing is read here. Must not import eventlet, webob, paste or routes.

Facts about oslo.config: an option of a group has the group's name in front on the command line, from
Opt._get_argparse_prefix. A deprecated name that it knows of is also a flag of the command line, and its
value is taken as it stands; so the generator and the validator alone get to know them.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from oslo_config import cfg

from wsgisrv.config import Settings
from wsgisrv.deprecated_names import old_names
from wsgisrv.option import SERVICE

GROUP = "wsgisrv"
FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
APPS = ("paste_config", "app", "factory")
"""Of these, one says what is served."""


class _Ungrouped(cfg.Opt):
    """An option without its group's name on the command line: ``--workers``."""

    def _get_argparse_prefix(self, prefix: str, group_name: str | None) -> str:
        return prefix


class _StrOpt(_Ungrouped, cfg.StrOpt):
    """Text, or one of several choices."""


class _IntOpt(_Ungrouped, cfg.IntOpt):
    """A whole number in a range."""


class _FloatOpt(_Ungrouped, cfg.FloatOpt):
    """A number in a range."""


class _BoolOpt(_Ungrouped, cfg.BoolOpt):
    """Yes or no: ``--reuse-port`` and ``--noreuse-port``."""


class _ListOpt(_Ungrouped, cfg.ListOpt):
    """Texts, separated by commas."""


class _MultiOpt(_Ungrouped, cfg.MultiStrOpt):
    """Text that may be given more than once."""


def options() -> list[cfg.Opt]:
    """Returns one oslo.config option for each field of Settings, in its order."""
    return [_option(field) for field in FIELDS.values()]


def server_options() -> list[cfg.Opt]:
    """Returns those that a server's own section may have."""
    return [_option(field) for field in FIELDS.values() if field.metadata["scope"] != SERVICE]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Entry point ``oslo.config.opts``: for oslo-config-generator and oslo-config-validator."""
    former: dict[str, list[cfg.DeprecatedOpt]] = {}
    for section, key, option in old_names():
        former.setdefault(option, []).append(cfg.DeprecatedOpt(key, group=section))
    return [
        (GROUP, [_option(field, former.get(field.name, [])) for field in FIELDS.values()]),
    ]


def _option(
    field: dataclasses.Field[Any], former: list[cfg.DeprecatedOpt] | None = None
) -> cfg.Opt:
    meta = field.metadata
    name = field.name.replace("_", "-")  # as it stands on the command line
    known: dict[str, Any] = {
        "help": meta["help"], "mutable": meta["mutable"], "deprecated_opts": former or [],
    }  # fmt: skip
    if field.type == "tuple[str, ...]":
        several: Any = field.default
        kind = _ListOpt if meta["is_list"] else _MultiOpt
        return kind(name, default=list(several), metavar=meta["metavar"], **known)
    known["default"] = field.default
    if field.type == "str":
        regex = f"^(?:{meta['pattern'][0]})$" if meta["pattern"] else None
        return _StrOpt(name, choices=meta["choices"], regex=regex, metavar=meta["metavar"], **known)
    if field.type == "bool":
        return _BoolOpt(name, **known)
    bounds = {"min": meta["min"], "max": meta["max"]}
    if field.type == "int":
        return _IntOpt(name, metavar="N", **bounds, **known)
    return _FloatOpt(name, metavar="SECONDS", **bounds, **known)


def allowed(field: dataclasses.Field[Any]) -> str:
    """Returns what an option's value may be, in words."""
    meta = field.metadata
    if meta["choices"]:
        return f"allowed are {', '.join(meta['choices'])}"
    if meta["pattern"]:
        return f"allowed is {meta['pattern'][1]}"
    kinds = {"int": "a whole number", "float": "a number", "bool": "true or false"}
    kind = kinds.get(str(field.type), "text")
    least, most = meta["min"], meta["max"]
    if least is None:
        return f"allowed is {kind}"
    return f"allowed is {kind} from {least:g} on" + (f" to {most:g}" if most is not None else "")


def group_of(server: str) -> str:
    """Returns the name of a server's section; "" is for that of all."""
    return f"{GROUP}_{server}" if server else GROUP


def flag_of(name: str) -> str:
    """Returns an option as the command line has it."""
    return "--" + name.replace("_", "-")


def variable_of(name: str, group: str = GROUP) -> str:
    """Returns an option as the environment has it."""
    return f"OS_{group.upper()}__{name.upper()}"


def on_command_line(args: list[str]) -> set[str]:
    """Returns the options that are given there, abbreviated ones too."""
    flags = [arg.partition("=")[0] for arg in args if arg.startswith("--") and len(arg) > 2]
    flags += ["--" + flag[4:] for flag in flags if flag.startswith("--no") and len(flag) > 4]
    whole = {flag_of(name): name for name in FIELDS}
    found = set()
    for flag in flags:
        found |= (
            {whole[flag]}
            if flag in whole
            else {name for full, name in whole.items() if full.startswith(flag)}
        )
    return found
