"""A pretended Deep Intelligence, faithful enough for the vendor's own SDK.

emulator   HTTP: what arrives, who may ask, what is counted, what goes wrong
calls      one request, and the shapes of answers
world      workspaces, sources, jobs
switches   what the server can be told to do differently
"""

from __future__ import annotations

from aiotasks.emulators.deepint.emulator import DeepintEmulator

__all__ = ["DeepintEmulator"]
