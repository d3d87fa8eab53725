"""`python -m aiotasks`."""

from __future__ import annotations

import sys

from aiotasks.cli import main

if __name__ == "__main__":
    sys.exit(main())
