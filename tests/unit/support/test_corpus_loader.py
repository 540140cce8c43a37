"""The loader of the corpus: what is written is what is sent, and a slip of the pen is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.corpus import OPTIONS, Case, cases, raw


def load(directory: Path, text: str) -> list[Case]:
    (directory / "some.toml").write_text(text)
    return list(cases(directory))


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (r"\r\n\t\0\\", b"\r\n\t\x00\\"),
        (r"\x00\x7f\xff", b"\x00\x7f\xff"),
        (r"\\r", b"\\r"),
        ("<ab*3>c", b"abababc"),
        (r"<A: b\r\n*2>", b"A: b\r\nA: b\r\n"),
        ("<a*0>", b""),
        ("<a>", b"<a>"),
        ("\u00e9", b"\xe9"),
    ],
)
def test_the_notation_stands_for_these_bytes(text: str, data: bytes) -> None:
    assert raw(text) == data


@pytest.mark.parametrize("text", [r"\q", r"\xF0", r"\x1", r"\u0041", "\u20ac"])
def test_what_is_no_notation_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"escape|latin-1"):
        raw(text)


def test_each_variant_is_a_case_with_a_name_of_its_own(tmp_path: Path) -> None:
    first, second = load(
        tmp_path, "[[case]]\nrow = 'r'\nsend = 'a<?>c'\neach = ['b', 'B']\nwant = ['400']\n"
    )
    assert (first.send, second.send) == (b"abc", b"aBc")
    assert (first.name, second.name) == ("some-0.0 r", "some-0.1 r")


def test_what_a_case_does_not_say_is_derived_from_its_last_status(tmp_path: Path) -> None:
    refused, served = load(
        tmp_path,
        "[[case]]\nrow = 'r'\nsend = ''\nwant = ['200', '400']\n"
        "[[case]]\nrow = 's'\nsend = ''\nwant = ['200']\noptions = { max_header_count = 10 }\n",
    )
    assert (refused.then, refused.is_refused, refused.options) == ("closed", True, OPTIONS)
    assert (served.then, served.is_refused) == ("kept", False)
    assert served.options == {**OPTIONS, "max_header_count": 10}


@pytest.mark.parametrize("line", ["wants = ['400']", "then = 'open'", "name = 'mine'"])
def test_a_key_or_value_that_there_is_not_is_an_error(line: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"some-0\.0 r"):
        load(tmp_path, f"[[case]]\nrow = 'r'\nsend = 'a'\nwant = ['400']\n{line}\n")


def test_no_two_cases_are_the_same() -> None:
    seen: dict[tuple[bytes, str], str] = {}
    for case in cases():
        key = (case.send, str(case.options))
        assert key not in seen, f"{case.name} is {seen[key]}"
        seen[key] = case.name
