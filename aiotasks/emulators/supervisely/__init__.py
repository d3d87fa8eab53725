"""A pretended Supervisely: what its SDK's task API needs, over its public API v3.

emulator   HTTP, the token, the audit, faults
methods    what each wire method takes and answers
apps       methods of running apps, and those that start tasks
files      methods that take or give files
listing    filters, order and pages of lists
world      tasks and what they hold
switches   what the server can be told to do differently
"""

from __future__ import annotations

from aiotasks.emulators.supervisely.emulator import SuperviselyEmulator

__all__ = ["SuperviselyEmulator"]
