"""Changes of many tasks: one request each or per chunk, side by side; one that fails does not stop the others.

**Source**: wire notes, section 6 [V].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiotasks import AiotasksError, AuthError, InvalidArgument, escaped
from aiotasks.providers.isahitlab import wire
from aiotasks.providers.isahitlab.arguments import checked_mapping, shown
from aiotasks.providers.isahitlab.http import PLATFORM, PartlyDone, judge, reader
from aiotasks.providers.isahitlab.progress import bar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiotasks import Request
    from aiotasks.providers.isahitlab.client import IsahitLab

__all__ = ["checked_properties", "redo_or_review", "update_properties"]

#: Ids in one change of properties, as the SDK sends.
_IDS_AT_ONCE: Final = 200
#: Requests between two steps of a progress bar.
_BLOCK: Final = 64


def checked_properties(properties: object) -> dict[str, Any]:
    """Properties that tasks can have: `score` and `custom`.

    Raises:
        InvalidType, InvalidArgument: something else.
    """
    given = checked_mapping("properties", properties)
    if unknown := given.keys() - {"score", "custom"}:
        raise InvalidArgument(f"properties: given {shown(sorted(unknown))}, allowed: score, custom")
    return given


async def redo_or_review(
    client: IsahitLab, ids: Sequence[str], request: Callable[[str], Request], title: str, *, is_silent: bool
) -> int:
    """One request for each id. -> how many there were.

    Raises:
        PartlyDone: some failed for good; the error itself if only one task was meant, or the credential is refused.
    """
    shown = bar(title, len(ids), disabled=is_silent)
    failures: dict[str, AiotasksError] = {}
    try:
        for start in range(0, len(ids), _BLOCK):
            block = ids[start : start + _BLOCK]
            answers = await client.transport.send_many(map(request, block), judge)
            failures |= {id: each for id, each in zip(block, answers, strict=True) if isinstance(each, AiotasksError)}
            shown.seen(len(block))
    finally:
        shown.close()
    _raise_failures(ids, failures)
    return len(ids)


async def update_properties(
    client: IsahitLab, project_id: str, ids: Sequence[str], properties: Mapping[str, Any], *, is_silent: bool
) -> int:
    """Set properties. -> how many tasks the platform changed. Errors as for `redo_or_review`."""
    url = client.endpoint.url(wire.PROPERTIES, project_id)
    chunks = [ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE)]
    shown = bar("Updating tasks properties... ", len(chunks), disabled=is_silent)
    requests = (client.endpoint.patch(url, {"taskIds": chunk, **properties}) for chunk in chunks)
    try:
        answers = await client.transport.send_many(requests, reader(wire.AN_UPDATE))
        shown.seen(len(chunks))
    finally:
        shown.close()
    failures: dict[str, AiotasksError] = {}
    updated = 0
    for chunk, answer in zip(chunks, answers, strict=True):
        if isinstance(answer, AiotasksError):
            failures |= dict.fromkeys(chunk, answer)
        else:
            updated += answer.updated
    _raise_failures(ids, failures)
    return updated


def _raise_failures(ids: Sequence[str], failures: Mapping[str, AiotasksError]) -> None:
    if not failures:
        return
    id, error = next(iter(failures.items()))
    if len(ids) == 1 or isinstance(error, AuthError):
        raise error
    raise PartlyDone(
        f"{len(failures)} of {len(ids)} tasks were not changed, among them {escaped(id, 40)}: {error}",
        done=[each for each in ids if each not in failures],
        failures=failures,
        platform=PLATFORM,
    )
