"""etc/wsgisrv.conf.sample, held to oslo.config's own validator."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = (ROOT / "etc" / "wsgisrv.conf.sample").read_text()


def validated(path: Path) -> tuple[int, str]:
    done = subprocess.run(
        [
            sys.executable, "-m", "oslo_config.validator", "--namespace", "wsgisrv",
            "--input-file", str(path),
        ],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_the_validator_passes_the_sample_with_every_option_in_use(tmp_path: Path) -> None:
    path = tmp_path / "wsgisrv.conf"
    used = re.sub(r"(?m)^#(?=[a-z][a-z0-9_]* = |[a-z][a-z0-9_]* =$)", "", SAMPLE)
    path.write_text(used)
    assert "\nworkers = 0\n" in used
    code, said = validated(path)
    assert (code, [line for line in said.splitlines() if "ERROR" in line]) == (0, [])


@pytest.mark.parametrize(
    ("key", "code", "line"),
    [
        ("[wsgisrv]\nwokers = 1", 1, "wsgisrv/wokers is not part of the sample config"),
        ("[DEFAULT]\nwsgi_default_pool_size = 1", 0, "Deprecated opt DEFAULT/wsgi_default_pool_size found"),
        ("[ssl]\ncert_file = /c", 0, "Deprecated opt ssl/cert_file found"),
    ],
)  # fmt: skip
def test_the_validator_knows_what_is_no_option_and_what_is_one_by_an_old_name(
    key: str, code: int, line: str, tmp_path: Path
) -> None:
    path = tmp_path / "wsgisrv.conf"
    path.write_text(f"{key}\n")
    found, said = validated(path)
    assert line in said
    assert found == code
