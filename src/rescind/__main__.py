"""`python -m rescind` is `rescind`."""

from __future__ import annotations

import sys

from rescind.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
