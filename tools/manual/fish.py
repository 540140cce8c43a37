"""Completion for fish, 3 or later."""

from __future__ import annotations

from collections.abc import Iterator

from manual.commands import Argument, Command


def fish_file(commands: tuple[Command, ...], service: tuple[Argument, ...]) -> str:
    """Returns the file."""
    return "\n".join(_lines(commands, service)) + "\n"


def _lines(commands: tuple[Command, ...], service: tuple[Argument, ...]) -> Iterator[str]:
    yield "# Completion of wsgisrv(1) in fish. Made by tools/shell-files: do not edit."
    yield ""
    yield "complete -c wsgisrv -f"
    for flag, text in (("help", "say what commands there are"), ("version", "say which it is")):
        yield f"complete -c wsgisrv -n __fish_use_subcommand -l {flag} -d {_quoted(text)}"
    for command in commands:
        yield (
            f"complete -c wsgisrv -n __fish_use_subcommand -a {command.name}"
            f" -d {_quoted(command.help)}"
        )
    takers = " ".join(command.name for command in commands if command.takes_service)
    for argument in service:
        yield from _completions(takers, argument)
    for command in commands:
        for argument in command.own:
            yield from _completions(command.name, argument)


def _completions(names: str, argument: Argument) -> Iterator[str]:
    head = f"complete -c wsgisrv -n {_quoted(f'__fish_seen_subcommand_from {names}')}"
    if not argument.flags:
        if argument.choices:
            yield f"{head} -a {_quoted(' '.join(argument.choices))}"
        elif argument.names_file:
            yield f"{head} -F"
        return
    for flag in argument.flags:
        yield f"{head} -l {flag[2:]}{_value(argument)} -d {_quoted(argument.summary)}"


def _value(argument: Argument) -> str:
    if not argument.metavar:
        return ""
    if argument.choices:
        return f" -x -a {_quoted(' '.join(argument.choices))}"
    if argument.names_directory:
        return " -x -a '(__fish_complete_directories)'"
    return " -r -F" if argument.names_file else " -x"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
