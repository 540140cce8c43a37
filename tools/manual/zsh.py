"""Completion for zsh, by _arguments."""

from __future__ import annotations

from collections.abc import Iterator

from manual.commands import Argument, Command


def zsh_file(commands: tuple[Command, ...], service: tuple[Argument, ...]) -> str:
    """Returns the file."""
    return "\n".join(_lines(commands, service)) + "\n"


def _lines(commands: tuple[Command, ...], service: tuple[Argument, ...]) -> Iterator[str]:
    yield "#compdef wsgisrv"
    yield "# Completion of wsgisrv(1) in zsh. Made by tools/shell-files: do not edit."
    yield ""
    yield "_wsgisrv() {"
    yield "    local context state state_descr line"
    yield "    typeset -A opt_args"
    yield "    local -a commands service"
    yield "    service=("
    for argument in service:
        yield from (f"        {spec}" for spec in _specs(argument))
    yield "    )"
    yield "    commands=("
    for command in commands:
        yield f"        {_quoted(f'{command.name}:{_plain(command.help)}')}"
    yield "    )"
    yield "    _arguments -C \\"
    yield "        '(- *)--help[say what commands there are]' \\"
    yield "        '(- *)--version[say which version it is]' \\"
    yield "        '1:command:->command' '*::argument:->argument'"
    yield "    case $state in"
    yield "        command) _describe -t commands command commands ;;"
    yield "        argument)"
    yield "            case $words[1] in"
    for command in commands:
        yield f"                {command.name})"
        more = " $service" if command.takes_service else ""
        yield f"                    _arguments{more} \\"
        specs = [spec for argument in command.own for spec in _specs(argument)]
        for index, spec in enumerate(specs):
            yield f"                        {spec}" + (" \\" if index < len(specs) - 1 else "")
        yield "                    ;;"
    yield "            esac"
    yield "            ;;"
    yield "    esac"
    yield "}"
    yield ""
    yield '_wsgisrv "$@"'


def _specs(argument: Argument) -> Iterator[str]:
    value = f":{_plain(argument.metavar)}:{_action(argument)}" if argument.metavar else ""
    if not argument.flags:
        yield _quoted(f":{value}")
        return
    repeated = "*" if argument.is_repeated else ""
    for flag in argument.flags:
        equals = "=" if argument.metavar else ""
        yield _quoted(f"{repeated}{flag}{equals}[{_plain(argument.summary)}]{value}")


def _action(argument: Argument) -> str:
    if argument.choices:
        return f"({' '.join(argument.choices)})"
    if argument.names_file:
        return "_files"
    return "_files -/" if argument.names_directory else " "


def _plain(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\:[]" else char for char in text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
