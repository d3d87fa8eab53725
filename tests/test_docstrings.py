"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import aiotasks

MODULES = [name for _, name, _ in pkgutil.walk_packages(aiotasks.__path__, "aiotasks.") if "__main__" not in name]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name: str):
    """Each `>>>` of the module gives what stands below it."""
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0
