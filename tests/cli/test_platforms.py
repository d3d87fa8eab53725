"""`aiotasks platforms`: what is installed, and what of it cannot be imported."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from aiotasks import providers
from aiotasks.cli import main

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
BUILT_IN = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]["aiotasks.providers"]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a distribution that tells of platforms, in a place that Python looks at first."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, entries: dict[str, str], **modules: str) -> Path:
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{entry} = {module}" for entry, module in entries.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[aiotasks.providers]", *lines, ""]))
        for module, source in modules.items():
            (tmp_path / f"{module}.py").write_text(source)
            monkeypatch.delitem(sys.modules, module, raising=False)
        importlib.invalidate_caches()
        return tmp_path

    # The checkout may be newer than what is installed of it: the first of two distributions of one name counts.
    install("aiotasks", BUILT_IN)
    return install


@pytest.fixture
def listed(capsys):
    """Runs the command. -> its exit code, and its lines by the platform's name."""

    def listed() -> tuple[int, dict[str, str]]:
        code = main(["platforms"])
        return code, {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}

    return listed


def test_every_built_in_platform_is_registered():
    """No package of `aiotasks.providers` is left out, and none is registered that is not there."""
    packages = {module.name for module in pkgutil.iter_modules(providers.__path__)}
    assert {name: f"aiotasks.providers.{name}" for name in packages} == BUILT_IN


def test_built_in_platforms_are_listed(install, listed):
    """Name, module, and what the module says of itself first."""
    code, lines = listed()
    assert code == 0
    assert list(lines) == sorted(BUILT_IN)
    for name, line in lines.items():
        module = importlib.import_module(BUILT_IN[name])
        assert line.split(maxsplit=2) == [name, module.__name__, module.__doc__.splitlines()[0]]


def test_third_party_platform_is_listed_among_them(install, listed):
    """In the order of the names; a module without a docstring is listed too."""
    install("acme", {"acme": "acme_jobs", "mute": "mute"}, acme_jobs='"""Acme: its jobs.\n\nMore."""', mute="")
    code, lines = listed()
    assert code == 0
    assert list(lines) == sorted([*BUILT_IN, "acme", "mute"])
    assert lines["acme"].split(maxsplit=2) == ["acme", "acme_jobs", "Acme: its jobs."]
    assert lines["mute"].split() == ["mute", "mute"]


def test_broken_platform_is_named_and_stops_no_other(install, listed):
    """Whatever an import does: the line says what, the others are listed, and the exit code is 1."""
    install(
        "broken",
        {
            "gone": "no_such_module",
            "odd": "not a module",
            "raising": "raising",
            "leaving": "leaving",
            "short": "short:Client",
        },
        raising="raise RuntimeError('no\\x1b[31m luck')",
        leaving="raise SystemExit(3)",
        short="",
    )
    code, lines = listed()
    assert code == 1
    assert set(BUILT_IN) < set(lines)
    assert lines["gone"].endswith("error: ModuleNotFoundError: No module named 'no_such_module'")
    assert "error: " in lines["odd"]
    assert lines["raising"].endswith("error: RuntimeError: no\\x1b[31m luck")
    assert lines["leaving"].endswith("error: SystemExit: 3")
    assert "error: AttributeError: " in lines["short"]


def test_copy_that_nobody_installed_says_so(monkeypatch, capsys):
    """A list without a line would be a riddle."""
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: ())
    assert main(["platforms"]) == 1
    assert "none is registered" in capsys.readouterr().err


@pytest.mark.slow
def test_it_is_a_command_of_the_module(install):
    """`python -m aiotasks platforms`, in a process of its own."""
    folder = install("acme", {"acme": "acme_jobs"}, acme_jobs='"""Acme: its jobs."""')
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-m", "aiotasks", "platforms"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == sorted([*BUILT_IN, "acme"])
