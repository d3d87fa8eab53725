"""Sources, and the tasks that change their instances."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiotasks import InvalidArgument, InvalidType, Part, escaped
from aiotasks.providers.deepint import wire
from aiotasks.providers.deepint.arguments import checked_flag, checked_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiotasks.providers.deepint.task import Task
    from aiotasks.providers.deepint.workspace import Workspace

__all__ = ["Source", "SourceInstances"]

#: What every upload says of its CSV [V].
_FORM: Final = {"separator": ",", "quotes": '"', "csv_header": "yes", "parameters_fields": ""}


@attrs.frozen(kw_only=True)
class Source:
    """A source of data of a workspace. Nothing is asked before it is used."""

    workspace: Workspace
    source_id: str

    @property
    def instances(self) -> SourceInstances:
        """Its rows."""
        return SourceInstances(self)

    @property
    def url(self) -> str:
        """Where it is in the API."""
        return self.workspace.client.account.origin + wire.source_path(self.workspace.workspace_id, self.source_id)


@attrs.frozen
class SourceInstances:
    """The rows of a source."""

    source: Source

    async def update(
        self,
        data: Iterable[Mapping[str, Any]] | Any,
        replace: bool = False,
        pk: str | None = None,
        date_format_feature: int | None = None,
        send_with_index: bool = False,
    ) -> Task:
        """Start the upload of rows. -> its task; nothing is waited for yet.

        Args:
            data: mappings of each feature's name to a value, None for nothing; or a pandas `DataFrame`. All features
                but the computed ones must be there, and no others; their order does not matter.
            replace: the rows take the place of all that are there.
            pk: the feature that tells which rows there are already; those are updated. Not looked at with `replace`.
            date_format_feature: index of the feature whose date format the dates are in; None is the service's own.
            send_with_index: of a `DataFrame`: send its index too, as the first column.

        Raises:
            InvalidArgument, InvalidType: an argument that is not allowed, or rows that do not fit the source; no
                upload was started.
            DeepintHTTPError: the service refuses, or knows no such source.
            SubmitUnknown: the upload may or may not have been started; it was not asked for twice.
            AskError, AnswerError: no upload was started, as far as is known.

        Cancellation: once the upload was asked for, it may have been started.

        **Source**: wire notes, section 5 [V]; `date_format` [R], as the SDK fails when it is asked for.
        """
        checked_flag("replace", replace)
        checked_flag("send_with_index", send_with_index)
        key = None if pk is None else checked_text("pk", pk)
        rows = None if hasattr(data, "to_csv") else _checked_rows(data)
        features = await self._features()
        columns = [feature.name for feature in features if not feature.computed]
        if key is not None and key not in columns:
            raise InvalidArgument(f"pk: given {escaped(key, 40)!r}, allowed: {escaped(', '.join(columns))}")
        content = _frame_text(data, columns, send_with_index) if rows is None else _rows_text(rows, columns)
        fields = {
            "replace": str(replace),
            "pk": None if replace else key,
            **_FORM,
            "date_format": _date_format(features, date_format_feature),
        }
        parts = [Part(name=name, content=text.encode()) for name, text in fields.items() if text is not None]
        parts.append(Part(name="file", content=content.encode(), filename="file"))
        return await self._start("POST", parts=tuple(parts))

    async def clean(self, where: str | None = None) -> Task:
        """Start the removal of rows. -> its task; nothing is waited for yet.

        Args:
            where: which rows, in Deepint Query Language; None is all of them.

        Raises, cancellation: as for `update`.

        **Source**: wire notes, section 5 [V].
        """
        return await self._start("DELETE", {} if where is None else {"where": checked_text("where", where)})

    async def _start(self, method: str, fields: Any = None, *, parts: tuple[Part, ...] = ()) -> Task:
        workspace = self.source.workspace
        order = wire.request(method, f"{self.source.url}/instances", workspace.organization_id, fields, parts=parts)
        return workspace.started(await workspace.client.transport.send(order, wire.started))

    async def _features(self) -> Sequence[wire.Feature]:
        workspace = self.source.workspace
        question = wire.request("GET", self.source.url, workspace.organization_id, is_repeatable=True)
        row = await workspace.client.transport.send(question, lambda answer: wire.document(answer, wire.SOURCE))
        return sorted(row.features, key=lambda feature: feature.index)


def _checked_rows(data: object) -> list[Mapping[str, Any]]:
    allowed = "rows, each a mapping of a feature's name to a value, or a DataFrame"
    if isinstance(data, str | bytes | Mapping) or not hasattr(data, "__iter__"):
        raise InvalidType(f"data: given {type(data).__name__}, allowed: {allowed}")
    rows: list[Mapping[str, Any]] = list(data)
    if not rows:
        raise InvalidArgument(f"data: given no rows, allowed: {allowed}")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InvalidType(f"data[{number}]: given {type(row).__name__}, allowed: {allowed}")
    return rows


def _rows_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    wanted = set(columns)
    for number, row in enumerate(rows):
        _check_columns(f"data[{number}]", row.keys(), wanted)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _frame_text(frame: Any, columns: Sequence[str], has_index: bool) -> str:
    _check_columns("data", frame.columns, set(columns))
    if frame.empty:
        raise InvalidArgument("data: given an empty DataFrame, allowed: one with rows")
    text: str = frame.to_csv(sep=",", index=has_index, columns=list(columns))
    return text


def _check_columns(place: str, given: Iterable[Any], wanted: set[str]) -> None:
    names = set(given)
    if names != wanted:
        odd = ", ".join(sorted(map(str, names ^ wanted)))
        raise InvalidArgument(
            f"{place}: given columns that are not the source's, or too few ({escaped(odd, 80)}); "
            f"allowed: {escaped(', '.join(sorted(wanted)))}"
        )


def _date_format(features: Sequence[wire.Feature], index: int | None) -> str | None:
    if index is None:
        return None
    if isinstance(index, bool) or not isinstance(index, int):
        raise InvalidType(f"date_format_feature: given {type(index).__name__}, allowed: the index of a feature")
    formats = {feature.index: feature.date_format for feature in features}
    if formats.get(index) is None:
        known = ", ".join(str(known) for known, format in formats.items() if format is not None)
        raise InvalidArgument(f"date_format_feature: given {index}, allowed: a feature with a date format ({known})")
    return formats[index]
