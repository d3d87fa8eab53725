"""What holds for every test."""

from __future__ import annotations

import asyncio

# pytest-asyncio asks for "the current loop" to restore it later. Where none was ever set, Python before 3.14 makes
# one for it, which nobody closes: a ResourceWarning in whatever test the collector runs next.
asyncio.set_event_loop(None)
