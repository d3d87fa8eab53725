"""`aiotasks demo` awaits tasks of four platforms, tells what that cost, and leaves no process behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aiotasks.cli import main
from aiotasks.cli.demo import figures
from aiotasks.cli.demo.work import shares

KEYS = [
    "tasks",
    "succeeded",
    "failed",
    "seconds",
    "requests",
    "requests_one_by_one",
    "min_gap_seconds",
    "violations",
    "rows",
    "delay_p50_seconds",
    "delay_p99_seconds",
    "platforms",
]
PLATFORMS = ["labelbox", "supervisely", "isahitlab", "deepint"]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="children are found in /proc")


@asynccontextmanager
async def _demo(*arguments, environment=None):
    """The command as a process in a group of its own, as a shell starts it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aiotasks", "demo", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        process_group=0,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def _emulators(process) -> dict[str, int]:
    """Process ids of its emulators, by platform."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    lines = {int(child): Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0") for child in children}
    return {line[line.index(b"emulate") + 1].decode(): child for child, line in lines.items() if b"emulate" in line}


async def _started(process) -> dict[str, int]:
    """The emulators, once all four are there and have been working for a moment."""
    async with asyncio.timeout(30):
        while len(found := _emulators(process)) < len(PLATFORMS):  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.05)
    await asyncio.sleep(4)
    return found


def _is_there(pid) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- figures ------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_json_has_the_totals_of_all_platforms():
    """One object on stdout and nothing else; its keys exactly; what each server counted adds up."""
    async with _demo("--tasks", "40", "--json") as process:
        output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    found = json.loads(output)
    platforms = found["platforms"]
    assert list(found) == KEYS
    assert list(platforms) == PLATFORMS
    assert all(list(each) == ["tasks", "requests", "min_gap_seconds", "violations"] for each in platforms.values())
    assert found["tasks"] == found["succeeded"] == sum(each["tasks"] for each in platforms.values()) == 40
    assert found["requests"] == sum(each["requests"] for each in platforms.values())
    assert found["requests"] < found["requests_one_by_one"]
    assert found["min_gap_seconds"] == min(each["min_gap_seconds"] for each in platforms.values()) >= 2.0
    assert (found["failed"], found["violations"], found["rows"]) == (0, 0, 20_000)
    assert 0 <= found["delay_p50_seconds"] <= found["delay_p99_seconds"] < 5


@pytest.mark.slow
async def test_people_get_a_line_per_platform():
    """On stdout, without a progress line where nobody looks."""
    async with _demo("--tasks", "4") as process:
        output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    first, *lines = output.decode().splitlines()
    assert first.startswith("4 tasks awaited on one event loop in ")
    for name in ("Labelbox", "Supervisely", "isahit lab", "Deep Intelligence"):
        [line] = [line for line in lines if line.startswith(f"  {name} ")]
        assert " 1 task, " in line


@pytest.mark.slow
async def test_one_task_is_labelboxs():
    """No other platform is started."""
    async with _demo("--tasks", "1", "--json") as process:
        output, _ = await process.communicate()
    found = json.loads(output)
    assert process.returncode == 0
    assert list(found["platforms"]) == ["labelbox"]
    assert (found["tasks"], found["succeeded"], found["rows"]) == (1, 1, 20_000)


@pytest.mark.parametrize("tasks", [1, 3, 4, 5, 19, 20, 399, 2_000, 100_000])
def test_shares_add_up(tasks):
    """Each platform has at least one task from four on; Deep Intelligence, asked one by one, has few."""
    found = shares(tasks)
    assert sum(found.values()) == tasks
    assert list(found) == (["labelbox"] if tasks < 4 else PLATFORMS)
    assert all(count >= 1 for count in found.values())
    assert found["labelbox"] >= tasks // 4
    assert found.get("deepint", 0) <= 20


def test_summary_of_what_was_not_measured():
    """A task that was asked about once has no gap."""
    platform = {"tasks": 1, "requests": 1, "min_gap_seconds": None, "violations": 0}
    values = [1, 1, 0, 1.0, 1, 1, None, 0, 0, None, None, {"labelbox": platform}]
    assert "smallest gap         - between" in figures.summary(dict(zip(KEYS, values, strict=True)))


@pytest.mark.parametrize("tasks", ["0", "-1", "x", "100001"])
def test_number_of_tasks_that_cannot_be(tasks, capsys):
    """argparse says what is allowed."""
    with pytest.raises(SystemExit) as exit:
        main(["demo", f"--tasks={tasks}"])
    assert exit.value.code == 2
    assert "from 1 to 100000" in capsys.readouterr().err


# --- when it is stopped, and when things fail ---------------------------------------------------------------


@linux
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_stopped_it_is_silent_and_takes_its_emulators_along(number):
    """A signal to the whole group, as a terminal's Ctrl-C is: no traceback, 128 and the signal, no orphan."""
    async with _demo("--tasks", "400") as process:
        children = await _started(process)
        os.killpg(process.pid, number)
        async with asyncio.timeout(10):
            output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (128 + number, b"", b"")
    assert not any(map(_is_there, children.values()))


@linux
@pytest.mark.slow
async def test_stopped_while_emulators_start():
    """The first of them is there, the last perhaps not."""
    async with _demo("--json") as process:
        async with asyncio.timeout(30):
            while not (children := _emulators(process)):  # noqa: ASYNC110  # there is no event to wait for
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (130, b"", b"")
    assert not any(map(_is_there, children.values()))


@linux
@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_emulator_that_ends_before_its_time(platform):
    """A message that names it, exit code 1, at once, and no orphan."""
    async with _demo("--tasks", "100", "--json") as process:
        children = await _started(process)
        os.kill(children[platform], signal.SIGKILL)
        async with asyncio.timeout(40):
            output, errors = await process.communicate()
    assert (process.returncode, output) == (1, b"")
    assert errors.decode() == (f"aiotasks: demo: the emulated {platform} ended before its time, with exit code -9\n")
    assert not any(map(_is_there, children.values()))


@pytest.mark.slow
async def test_emulator_that_does_not_start(tmp_path):
    """Without the packages it needs, the message says what to install."""
    (tmp_path / "graphql.py").write_text("raise ModuleNotFoundError('none', name='graphql')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    async with _demo("--tasks", "4", "--json", environment={"PYTHONPATH": path}) as process:
        output, errors = await process.communicate()
    assert (process.returncode, output) == (1, b"")
    last = errors.decode().splitlines()[-1]
    assert last.startswith("aiotasks: demo: the emulated labelbox did not start (exit code 2)")
    assert "pip install 'aiotasks[demo]'" in last
    assert "Traceback" not in errors.decode()
