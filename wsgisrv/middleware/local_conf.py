"""The keys of a filter's section in a paste file: text becomes values, and what is wrong is said in a line.

Rules: a wrong value is a ConfigError that names key, value and what is allowed; the loader puts file and
section in front. A key that no filter knows is a warning with the nearest known name, since a section may
still have keys of the filter whose place ours has taken.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping, Sequence

from wsgisrv.errors import ConfigError

_LOG = logging.getLogger("wsgisrv.middleware")
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class LocalConf:
    """Args:
    name: of the filter, for the warning.
    conf: the section's own keys.
    known: the keys that the filter has.
    """

    def __init__(self, name: str, conf: Mapping[str, str], known: Sequence[str]) -> None:
        self._conf = conf
        for key in conf:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"; do you mean {near[0]}?" if near else ""
                there = ", ".join(known) or "none"
                _LOG.warning(
                    "%s: the key %s is unknown and does nothing%s (known: %s)",
                    name, key, hint, there,
                )  # fmt: skip

    def text(self, key: str, default: str = "") -> str:
        """Returns the value without blanks around it."""
        return self._conf.get(key, default).strip()

    def integer(self, key: str, default: int, least: int, most: int) -> int:
        """Returns a whole number.

        Raises:
            ConfigError: for anything else, and for one that is out of range.
        """
        text = self.text(key)
        if key not in self._conf:
            return default
        if not (
            text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most
        ):
            raise wrong(key, text, f"a whole number from {least} to {most}")
        return int(text)

    def seconds(self, key: str, default: float, most: float) -> float:
        """Returns a time above 0.

        Raises:
            ConfigError: for anything else.
        """
        text = self.text(key)
        if key not in self._conf:
            return default
        try:
            value = float(text)
        except ValueError:
            value = -1
        if not 0 < value <= most:
            raise wrong(key, text, f"seconds above 0, up to {most:g}")
        return value

    def boolean(self, key: str, default: bool) -> bool:
        """Returns whether it is on.

        Raises:
            ConfigError: for what is neither.
        """
        text = self.text(key, str(default)).lower()
        if text not in _TRUE + _FALSE:
            raise wrong(key, text, "true or false")
        return text in _TRUE

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Returns one of ``choices``, the first of them by default.

        Raises:
            ConfigError: for any other.
        """
        text = self.text(key, choices[0])
        if text not in choices:
            raise wrong(key, text, " or ".join(choices))
        return text

    def words(self, key: str, default: str = "") -> tuple[str, ...]:
        """Returns the words of a list, which commas or blanks separate."""
        return tuple(self.text(key, default).replace(",", " ").split())


def wrong(key: str, value: str, allowed: str) -> ConfigError:
    """Returns the error for a value that is wrong."""
    return ConfigError(f"{key} = {value}: allowed is {allowed}")
