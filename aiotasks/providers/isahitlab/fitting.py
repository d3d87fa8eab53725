"""Tasks to be created, made to fit their project: mapped from kili, checked by its schema, filled in.

In turns with whatever else runs on the loop: checks by schema add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from aiotasks import InvalidArgument
from aiotasks.providers.isahitlab.arguments import shown
from aiotasks.providers.isahitlab.formats.from_kili import from_kili
from aiotasks.providers.isahitlab.formats.project import IMAGE_TYPES, Tool
from aiotasks.providers.isahitlab.payloads import Draft, draft, given_tasks, prepared
from aiotasks.providers.isahitlab.schemas import KILI, checker, data_schema, overwrite_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiotasks import BaseClient
    from aiotasks.providers.isahitlab.wire import Configuration

__all__ = ["drafted", "fitted", "need_checker"]


async def drafted(client: BaseClient, tasks: object) -> list[Draft]:
    """The tasks of a call, checked as far as their project need not be known.

    Raises:
        InvalidType, InvalidArgument: one of them is not allowed.
    """
    drafts: list[Draft] = []
    async for task in client.in_turns(given_tasks(tasks)):
        drafts.append(draft(f"tasks[{len(drafts)}]", task))
    return drafts


def need_checker(drafts: Sequence[Draft]) -> None:
    """Return unless data is to be checked and nothing can.

    Raises:
        NotSupported: `jsonschema` is not installed.
    """
    if any(each.data or each.overwrite for each in drafts):
        checker({})


async def fitted(
    client: BaseClient, drafts: Sequence[Draft], configuration: Configuration, *, is_kili: bool, is_checked: bool
) -> list[Draft]:
    """`drafts` as they are sent to a project with this configuration.

    Raises:
        InvalidArgument: data that does not fit; nothing was sent.
        NotSupported: nobody knows what fits.
    """
    if not any(each.data or each.overwrite for each in drafts):
        return list(drafts)
    mapped = _from_kili(configuration, is_checked=is_checked) if is_kili else _unchanged
    checks = _checks(configuration) if is_checked else _unchecked
    ready: list[Draft] = []
    async for each in client.in_turns(drafts):
        place = f"tasks[{len(ready)}]"
        data = mapped(f"{place}.data", each.data) if each.data else None
        checks(place, data, each.overwrite)
        ready.append(attrs.evolve(each, data=prepared(data, configuration) if data else None))
    return ready


def _checks(configuration: Configuration) -> Callable[[str, Any, Any], None]:
    check_data = checker(data_schema(configuration))
    schema = overwrite_schema(configuration)
    check_overwrite = None if schema is None else checker(schema)

    def check(place: str, data: Any, overwrite: Any) -> None:
        if data:
            check_data(f"{place}.data", data)
        if overwrite and check_overwrite is not None:
            check_overwrite(f"{place}.project_configuration_overwrite", overwrite)

    return check


def _unchecked(place: str, data: Any, overwrite: Any) -> None:
    return


def _unchanged(place: str, data: dict[str, Any]) -> dict[str, Any]:
    return data


def _from_kili(configuration: Configuration, *, is_checked: bool) -> Callable[[str, Any], dict[str, Any]]:
    tool = Tool(configuration.type, configuration.metadata or {})
    if configuration.type not in IMAGE_TYPES or tool.is_sequence:
        raise InvalidArgument(
            "compatibility_mode: given kili for a form or a sequence, allowed: for projects of images"
        )
    check = checker(KILI) if is_checked else None

    def mapped(place: str, data: Any) -> dict[str, Any]:
        if check is not None:
            check(place, data)
        try:
            return from_kili(place, data, tool)
        except (LookupError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise InvalidArgument(f"{place}: given no labels of kili's ({shown(error)})") from None

    return mapped
