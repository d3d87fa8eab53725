"""Runs a vendor's real SDK in a process and an environment of its own (`.ci/sdk labelbox` makes one)."""

from __future__ import annotations

import asyncio
import json
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from aiotasks.emulators.isahitlab import IsahitLabEmulator
from aiotasks.emulators.labelbox import LabelboxEmulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_ROOT = Path(__file__).parents[2]

#: Before the test's own lines: a client, and a way to look at what a call raises.
_LABELBOX = """
import json, logging, os, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
import labelbox
from labelbox import Client, StreamType, Task
from labelbox.schema.taskstatus import TaskStatus

url = sys.argv[1]
globals().update(json.loads(sys.argv[2]))
client = Client(endpoint=url, rest_endpoint=url.replace("/graphql", "/api/v1"))

def raised(call, *arguments, **options):
    try:
        return "nothing: %r" % (call(*arguments, **options),)
    except Exception as error:
        return type(error).__name__

def shown(task):
    names = "uid name type status completion_percentage result_url errors_url metadata".split()
    return {name: getattr(task, name) for name in names}
"""


def python_of(platform: str) -> str:
    """The interpreter of a vendor's environment; without it the test is skipped, or fails where it must run."""
    python = _ROOT / ".sdk" / platform / "bin" / "python"
    if python.exists():
        return str(python)
    reason = f"the SDK is not installed: .ci/sdk {platform}"
    if os.environ.get("AIOTASKS_REQUIRE_SDK") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@attrs.define
class Labelbox:
    """A pretended Labelbox and the vendor's client of it."""

    emulator: LabelboxEmulator
    url: str
    python: str

    async def run(self, lines: str, *, key: str | None = None, **names: Any) -> Any:
        """Runs some lines of Python with `client`, the real one, and gives what they left in `answer`.

        Args:
            lines: The lines; they find the names besides.
            key: Another API key than the right one.
            names: Values that JSON can carry.
        """
        code = f"{_LABELBOX}\n{textwrap.dedent(lines)}\nprint(json.dumps(answer, default=str))\n"
        process = await asyncio.create_subprocess_exec(
            self.python,
            "-c",
            code,
            self.url,
            json.dumps(names),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LABELBOX_API_KEY": key or self.emulator.api_key},
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return json.loads(output)


@pytest.fixture
async def labelbox() -> AsyncIterator[Labelbox]:
    """The vendor's client of an emulator whose jobs run half a second."""
    python = python_of("labelbox")
    emulator = LabelboxEmulator(seed=1, duration=(0.5, 0.5))
    async with emulator.serve() as url:
        yield Labelbox(emulator, url, python)


# --- isahit lab -----------------------------------------------------------------------------------------

_ISAHITLAB = """
import json, logging, os, sys, warnings
warnings.simplefilter("ignore")
from isahitlab.client import IsahitLab
logging.disable(logging.CRITICAL)

url = sys.argv[1]
globals().update(json.loads(sys.argv[2]))

def client(**options):
    return IsahitLab(**{"access_id": access_id, "secret_key": secret_key, "endpoint": url, **options})

def raised(call, *arguments, **options):
    try:
        return "nothing: %r" % (call(*arguments, **options),)
    except Exception as error:
        return type(error).__name__

lab = client()
"""


@attrs.define
class IsahitLab:
    """A pretended isahit lab and the vendor's client of it."""

    emulator: IsahitLabEmulator
    url: str
    python: str

    async def run(self, lines: str, **names: Any) -> Any:
        """Runs some lines of Python with `lab`, the real client, and gives what they left in `answer`.

        The lines find `P`, the ids of the seeded projects by type, and the names besides.
        """
        known = {
            "access_id": self.emulator.access_id,
            "secret_key": self.emulator.secret_key,
            "P": self.emulator.projects,
            **names,
        }
        code = f"{_ISAHITLAB}\n{textwrap.dedent(lines)}\nprint()\nprint(json.dumps(answer, default=str))\n"
        process = await asyncio.create_subprocess_exec(
            self.python,
            "-c",
            code,
            self.url,
            json.dumps(known),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return json.loads(output.splitlines()[-1])  # exports print where they went


@pytest.fixture
async def isahitlab() -> AsyncIterator[IsahitLab]:
    """The vendor's client of an emulator whose tasks stand still."""
    python = python_of("isahitlab")
    emulator = IsahitLabEmulator(seed=1, frozen=True)
    async with emulator.serve() as url:
        yield IsahitLab(emulator, url, python)
