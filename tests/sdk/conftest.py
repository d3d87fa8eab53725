"""Runs a vendor's real SDK in a process and an environment of its own (`.ci/sdk labelbox` makes it)."""

from __future__ import annotations

import asyncio
import json
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

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


async def answer_of(
    python: str, prelude: str, lines: str, url: str, names: dict[str, Any], environment: dict[str, str]
) -> Any:
    """Runs some lines of Python after a prelude, in a process of its own, and gives what they left in `answer`.

    Args:
        python: The interpreter.
        prelude: Lines that find the URL and the names in `sys.argv`.
        lines: The test's own.
        url: Where the emulator is.
        names: Values that JSON can carry.
        environment: Variables besides those of this process.
    """
    code = f"{prelude}\n{textwrap.dedent(lines)}\nprint(json.dumps(answer, default=str))\n"
    process = await asyncio.create_subprocess_exec(
        python,
        "-c",
        code,
        url,
        json.dumps(names),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


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
        environment = {"LABELBOX_API_KEY": key or self.emulator.api_key}
        return await answer_of(self.python, _LABELBOX, lines, self.url, names, environment)


@pytest.fixture
async def labelbox() -> AsyncIterator[Labelbox]:
    """The vendor's client of an emulator whose jobs run half a second."""
    python = python_of("labelbox")
    emulator = LabelboxEmulator(seed=1, duration=(0.5, 0.5))
    async with emulator.serve() as url:
        yield Labelbox(emulator, url, python)
