"""Completion for bash, 4.4 or later, without the package bash-completion."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from manual.commands import Argument, Command, flags_of

_HEAD = """\
# Completion of wsgisrv(1) in bash. Made by tools/shell-files: do not edit.

_wsgisrv_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_wsgisrv_paths() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

_wsgisrv() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} flags=
    COMPREPLY=()
    # --name=value arrives as three words.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
"""


def bash_file(commands: tuple[Command, ...], service: tuple[Argument, ...]) -> str:
    """Returns the file."""
    return _HEAD + "\n".join(_body(commands, service)) + "\n}\n\ncomplete -F _wsgisrv wsgisrv\n"


def _body(commands: tuple[Command, ...], service: tuple[Argument, ...]) -> Iterator[str]:
    names = " ".join(command.name for command in commands)
    yield "    if ((COMP_CWORD == 1)); then"
    yield from _words("        ", f"{names} --help --version", "current")
    yield "        return"
    yield "    fi"
    yield "    case $previous in"
    values = {flag: each for each in service for flag in each.flags if each.metavar}
    for command in commands:
        values |= {flag: each for each in command.own for flag in each.flags if each.metavar}
    for pattern, action in _values(values):
        yield from _wrapped("        ", pattern)
        yield f"            {action}"
        yield "            return ;;"
    yield "    esac"
    yield "    local service="
    yield from _assigned("    ", "service", " ".join(flags_of(service)))
    yield "    case ${COMP_WORDS[1]} in"
    for command in commands:
        yield f"        {command.name})"
        own = " ".join(flags_of(command.own))
        yield from _assigned("            ", "flags", own)
        if command.takes_service:
            yield '            flags+=" $service"'
        yield from _positional(command)
        yield "            ;;"
    yield "    esac"
    yield '    _wsgisrv_words "$flags" "$current"'


def _positional(command: Command) -> Iterator[str]:
    for argument in command.own:
        if not argument.flags and (argument.names_file or argument.choices):
            yield "            if [[ $current != -* ]]; then"
            if argument.choices:
                yield f'                _wsgisrv_words "{" ".join(argument.choices)}" "$current"'
            else:
                yield '                _wsgisrv_paths -f "$current"'
            yield "                return"
            yield "            fi"
            return


def _values(values: dict[str, Argument]) -> Iterator[tuple[str, str]]:
    """Yields patterns of flags, and what completes their values: those of the same kind together."""
    groups: dict[str, list[str]] = {}
    for flag, argument in values.items():
        if argument.choices:
            action = f'_wsgisrv_words "{" ".join(argument.choices)}" "$current"'
        elif argument.names_file:
            action = '_wsgisrv_paths -f "$current"'
        elif argument.names_directory:
            action = '_wsgisrv_paths -d "$current"'
        else:
            action = ":"
        groups.setdefault(action, []).append(flag)
    for action, flags in groups.items():
        yield " | ".join(flags) + ")", action


def _wrapped(indent: str, text: str) -> Iterator[str]:
    lines = textwrap.wrap(text, 98 - len(indent), break_long_words=False, break_on_hyphens=False)
    for index, line in enumerate(lines):
        yield f"{indent}{line}" + (" \\" if index < len(lines) - 1 else "")


def _assigned(indent: str, name: str, words: str) -> Iterator[str]:
    lines = textwrap.wrap(words, 84 - len(indent), break_long_words=False, break_on_hyphens=False)
    for index, line in enumerate(lines):
        yield f'{indent}{name}+="{line}' + ('"' if index == len(lines) - 1 else ' "')


def _words(indent: str, words: str, current: str) -> Iterator[str]:
    yield from _assigned(indent, "flags", words)
    yield f'{indent}_wsgisrv_words "$flags" "${current}"'
