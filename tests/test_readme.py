"""The README's examples are run as they stand there, against the emulator."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from aiotasks.emulators.labelbox import LabelboxEmulator
from aiotasks.providers import labelbox

README = Path(__file__).parent.parent / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


async def run_example(source: str, names: dict[str, object]) -> None:
    """Run top-level code that awaits, keeping the names that it binds."""
    exec(f"async def example():\n{textwrap.indent(source, '    ')}    return locals()", names)
    names.update(await names["example"]())


@pytest.mark.looptime
async def test_every_example_runs(monkeypatch, capsys):
    """Whoever copies an example gets what the text says."""
    emulator = LabelboxEmulator(seed=1)
    async with emulator.serve() as url:

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
            }
        for source in EXAMPLES:
            await run_example(source, names)
        async with TestClient(TestServer(names["app"])) as browser:
            answer = await browser.get(f"/tasks/{tasks[0].uid}")
            assert await answer.json() == {"status": "COMPLETE"}
    printed = capsys.readouterr().out
    assert "street-1" in printed
    assert printed.count("COMPLETE") >= 4


def test_the_readme_has_its_two_commands():
    """Each stands on a line of its own, so that it can be copied, and CI can find it."""
    lines = [line.strip() for line in README.read_text().splitlines() if line.strip().startswith("python3 -m venv")]
    assert lines == [
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[demo]' && .venv/bin/python -m aiotasks demo",
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/python -m pytest",
    ]
