"""Runs a vendor's real SDK in a process and an environment of its own (`.ci/sdk PLATFORM` makes it)."""

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
from aiotasks.emulators.supervisely import SuperviselyEmulator

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


#: Before the test's own lines: a client, and a way to look at what a call raises. The SDK imports libraries for
#: images and volumes that its tasks have no use for; whatever is asked of their stand-ins is another stand-in.
_SUPERVISELY = """
import importlib.abc, importlib.machinery, json, logging, os, sys, types, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

class Anything(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub

class Stub(metaclass=Anything):
    pass

class Module(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub

class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    names = {"SimpleITK", "cv2", "imutils", "nrrd", "pandas", "pydicom", "trimesh"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec):
        return Module(spec.name)
    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Stubs())
import requests
import supervisely as sly
from supervisely.api.task_api import KubernetesSettings, TaskApi, TaskFinishedWithError
from supervisely.api.module_api import WaitingTimeExceeded

url = sys.argv[1]
globals().update(json.loads(sys.argv[2]))
api = sly.Api(url, os.environ["API_TOKEN"], retry_count=2, retry_sleep_sec=0.05)
Status = TaskApi.Status

def raised(call, *arguments, **options):
    try:
        return "nothing: %r" % (call(*arguments, **options),)
    except Exception as error:
        return type(error).__name__
"""


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
    code = f"{prelude}\n{textwrap.dedent(lines)}\nprint()\nprint(json.dumps(answer, default=str))\n"
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
    return json.loads(output.splitlines()[-1])  # some SDKs print


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


@attrs.define
class Supervisely:
    """A pretended Supervisely and the vendor's client of it."""

    emulator: SuperviselyEmulator
    url: str
    python: str

    async def run(self, lines: str, *, token: str | None = None, **names: Any) -> Any:
        """Runs some lines of Python with `api`, the real one, and gives what they left in `answer`.

        Args:
            lines: The lines; they find the names besides, and `workspace_id`, `agent_id`, `module_id`.
            token: Another token than the right one.
            names: Values that JSON can carry.
        """
        known = {name: getattr(self.emulator, name) for name in ("workspace_id", "agent_id", "module_id")}
        environment = {"API_TOKEN": token or self.emulator.token}
        return await answer_of(self.python, _SUPERVISELY, lines, self.url, {**known, **names}, environment)


@pytest.fixture
async def supervisely() -> AsyncIterator[Supervisely]:
    """The vendor's client of an emulator whose tasks stand still."""
    python = python_of("supervisely")
    emulator = SuperviselyEmulator(seed=1, frozen=True)
    async with emulator.serve() as url:
        yield Supervisely(emulator, url, python)


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
        return await answer_of(self.python, _ISAHITLAB, lines, self.url, known, {})


@pytest.fixture
async def isahitlab() -> AsyncIterator[IsahitLab]:
    """The vendor's client of an emulator whose tasks stand still."""
    python = python_of("isahitlab")
    emulator = IsahitLabEmulator(seed=1, frozen=True)
    async with emulator.serve() as url:
        yield IsahitLab(emulator, url, python)
