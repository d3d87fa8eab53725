"""A pretended Labelbox, faithful enough for the vendor's own SDK.

emulator   HTTP: what arrives, who may ask, what is counted, what goes wrong
schema     the GraphQL schema
execution  runs documents, by plans made once for each
resolvers  where each field gets its value
world      datasets, data rows, uploads, jobs
rows       rows of results, stored or made up; export streams
files      presigned URLs and what lies behind them
switches   what the server can be told to do differently
"""

from __future__ import annotations

from aiotasks.emulators.labelbox.emulator import LabelboxEmulator

__all__ = ["LabelboxEmulator"]
