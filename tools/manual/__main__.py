"""``tools/shell-files``: writes the files, or says which are not what would be written."""

from __future__ import annotations

import sys
from pathlib import Path

from manual.bash import bash_file
from manual.commands import commands, service_arguments
from manual.fish import fish_file
from manual.man import man_page
from manual.zsh import zsh_file

ROOT = Path(__file__).parents[2]
MAKERS = {
    "etc/wsgisrv.1": man_page,
    "etc/completion/wsgisrv.bash": bash_file,
    "etc/completion/_wsgisrv": zsh_file,
    "etc/completion/wsgisrv.fish": fish_file,
}


def main(args: list[str]) -> int:
    known, service = commands(), service_arguments()
    code = 0
    for name, make in MAKERS.items():
        path, text = ROOT / name, make(known, service)
        if args != ["--check"]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{name} is out of date; run tools/shell-files", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
