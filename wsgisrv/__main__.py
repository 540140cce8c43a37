"""``python -m wsgisrv``: the same as the command ``wsgisrv``."""

import sys

from wsgisrv.cli import main

if __name__ == "__main__":
    sys.exit(main())
