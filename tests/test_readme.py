"""The README's examples are run as they stand there, against the emulator, and a server for the one of a platform."""

from __future__ import annotations

import re
import textwrap
import types
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from aiotasks.emulators.labelbox import LabelboxEmulator
from aiotasks.providers import labelbox
from aiotasks.testing.conformance import Conformance
from tests.acme import AcmeServer

README = Path(__file__).parent.parent / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


async def run_example(source: str, names: dict[str, object]) -> None:
    """Run top-level code that awaits, keeping the names that it binds."""
    exec(f"async def example():\n{textwrap.indent(source, '    ')}    return locals()", names)
    names.update(await names["example"]())


@pytest.mark.looptime
async def test_every_example_runs(monkeypatch, capsys):
    """Whoever copies an example gets what the text says."""
    emulator, acme = LabelboxEmulator(seed=1), AcmeServer()
    acme.words = {"job-1": "done", "job-2": "failed"}
    async with emulator.serve() as url, acme.serve() as acme_url:

        class Client(labelbox.Client):
            def __init__(self, api_key=None):
                super().__init__(api_key, endpoint=url)

        monkeypatch.setattr(labelbox, "Client", Client)
        async with Client(emulator.api_key) as client:
            dataset = await client.create_dataset(name="before")
            tasks = [await dataset.create_data_rows([{"row_data": "https://a.example/1"}]) for _ in range(4)]
            names: dict[str, object] = {
                "api_key": emulator.api_key,
                "dataset_id": dataset.uid,
                "task_ids": [task.uid for task in tasks],
                "task_id": tasks[0].uid,
                "acme_key": acme.key,
                "acme_url": acme_url,
            }
        for source in EXAMPLES:
            await run_example(source, names)
        async with TestClient(TestServer(names["app"])) as browser:
            answer = await browser.get(f"/tasks/{tasks[0].uid}")
            assert await answer.json() == {"status": "COMPLETE"}
    printed = capsys.readouterr().out
    assert "street-1" in printed
    assert printed.count("COMPLETE") >= 4
    assert acme.auditor.report()["tasks"] == 2


# --- the example of a platform --------------------------------------------------------------------------

PLATFORM = next(source for source in EXAMPLES if source.startswith('"""Acme'))


def test_the_platform_is_short_and_stands_on_public_names():
    """Under 60 lines, and nothing of ours is imported but what `aiotasks` itself offers."""
    assert len(PLATFORM.splitlines()) < 60
    assert set(re.findall(r"(?:import|from) (aiotasks\S*)", PLATFORM)) == {"aiotasks"}


class AcmeSubject:
    """The README's client, and the server it was written for."""

    batch_limit = 25  # 100 were too many for the server, and so were 50

    def __init__(self, url: str, server: AcmeServer) -> None:
        self.url = url
        self.server = server
        self.module = types.ModuleType("acme")
        exec(PLATFORM, self.module.__dict__)

    def client(self, *, is_trusted=True):
        return self.module.Acme(self.server.key if is_trusted else "wrong", self.url)

    async def tasks(self, client, count):
        ids = [f"job-{number}" for number in range(count)]
        self.server.words.update(dict.fromkeys(ids, "running"))
        return [client.open(id) for id in ids]

    async def absent(self, client):
        return client.open("nobody")

    def end(self, *ids):
        self.server.words.update(dict.fromkeys(ids, "done"))

    def say(self, id, word):
        self.server.words[id] = word

    def poison(self, id):
        self.server.poisoned.add(id)

    def throttle(self, seconds):
        self.server.retry_after = seconds

    def audit(self):
        return self.server.auditor.report()


@pytest.mark.looptime
class TestAcme(Conformance):
    """The example is no toy: it passes the suite that the built-in platforms pass."""

    @pytest.fixture
    async def subject(self):
        server = AcmeServer()
        async with server.serve() as url:
            yield AcmeSubject(url, server)


# --- its commands ---------------------------------------------------------------------------------------


def test_the_readme_has_its_two_commands():
    """Each stands on a line of its own, so that it can be copied, and CI can find it."""
    lines = [line.strip() for line in README.read_text().splitlines() if line.strip().startswith("python3 -m venv")]
    assert lines == [
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[demo]' && .venv/bin/python -m aiotasks demo",
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/python -m pytest",
    ]
