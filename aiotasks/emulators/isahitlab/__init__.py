"""A pretended isahit lab, faithful enough for the vendor's own SDK.

emulator        HTTP: what arrives, who may ask, what is counted, what goes wrong
world           projects, batches, files, tasks and their lives
listing         which tasks a list asks for, and their pages
documents       a task as answers show it
configurations  the projects it begins with, and what annotators make of their tasks
switches        what the server can be told to do differently
"""

from __future__ import annotations

from aiotasks.emulators.isahitlab.emulator import IsahitLabEmulator

__all__ = ["IsahitLabEmulator"]
