"""What a task says of itself, as the SDK's values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from aiotasks import InvalidArgument, InvalidType, escaped
from aiotasks.providers.deepint.wire import TaskRow

if TYPE_CHECKING:
    from typing import Self

__all__ = ["TaskInfo", "TaskStatus"]

#: Numbers above this are milliseconds: as seconds they would be in the year 5138. (The SDK divides whatever is above
#: 1e9, so that seconds come out as 1970.)
_MOST_SECONDS: Final = 1e11


class TaskStatus(enum.Enum):
    """Deep Intelligence's words for a task's status. A word this library does not know is `unknown`: not an end."""

    pending = 0
    running = 1
    failed = 2
    success = 3
    unknown = 4

    @classmethod
    def from_string(cls, text: str | None) -> TaskStatus:
        """The member of that name; `unknown` for anything else.

        >>> TaskStatus.from_string("success"), TaskStatus.from_string("cancelled")
        (<TaskStatus.success: 3>, <TaskStatus.unknown: 4>)
        """
        name = text.strip().casefold() if isinstance(text, str) else ""
        return cls.__members__.get(name, cls.unknown)

    @classmethod
    def all(cls) -> list[str]:
        """The names of all members."""
        return list(cls.__members__)


def moment(value: Any) -> datetime | None:
    """A time of the service's (ISO text, seconds or milliseconds) as an aware datetime in UTC; None for no time.

    >>> moment("2026-11-22T03:06:24.985Z")
    datetime.datetime(2026, 11, 22, 3, 6, 24, 985000, tzinfo=datetime.timezone.utc)
    """
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
        if type(value) in (int, float):
            return datetime.fromtimestamp(value / 1000 if value > _MOST_SECONDS else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass  # B-45: out of range
    return None


#: Types of the fields that are not text.
_KINDS: Final[Mapping[str, type]] = {"created": datetime, "status": TaskStatus, "duration": int, "progress": int}


@attrs.frozen(eq=False)
class TaskInfo:
    """What is known of a task. Two are equal when they are about the same task, as in the SDK.

    Raises:
        InvalidType: an argument of another type than its field.

    **Source**: wire notes, section 3 [V]; that null numbers are possible [I].
    """

    task_id: str
    user_id: str | None = None
    user_name: str | None = None
    #: Aware, UTC (the SDK drops the zone).
    created: datetime | None = None
    #: None before anything was heard.
    status: TaskStatus | None = None
    #: Milliseconds.
    duration: int | None = None
    name: str | None = None
    description: str | None = None
    #: Of the present `subtask`, percent: it falls back to 0 with each new one.
    progress: int | None = None
    subtask: str | None = None
    #: Id or URL of what the task has made. Not shown: such a URL lets in whoever holds it.
    result: str | None = attrs.field(default=None, repr=False)
    #: What that is: `source`, `model`, `file`, ...
    result_type: str | None = None
    error_code: str | None = None
    error_description: str | None = None

    def __attrs_post_init__(self) -> None:
        for name, value in attrs.asdict(self).items():
            kind = _KINDS.get(name, str)
            is_missing = value is None and name != "task_id"
            if not is_missing and (isinstance(value, bool) or not isinstance(value, kind)):
                raise InvalidType(f"{name}: given {type(value).__name__}, allowed: {kind.__name__}, or None")

    def __eq__(self, other: object) -> bool:
        return self.task_id == other.task_id if isinstance(other, TaskInfo) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.task_id)

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> Self:
        """The information in a mapping with the service's keys (`id`, `status`, ...). What is null or of a wrong
        type is None, where the SDK raises.

        Raises:
            InvalidType: not a mapping.
            InvalidArgument: without an id.
        """
        if not isinstance(obj, Mapping):
            raise InvalidType(f"obj: given {type(obj).__name__}, allowed: a mapping")
        try:
            return cls.of(msgspec.convert(dict(obj), TaskRow))
        except msgspec.ValidationError as error:
            raise InvalidArgument(f"obj: {escaped(error, 80)}, allowed: a task with an id") from None

    @classmethod
    def of(cls, row: TaskRow) -> Self:
        """The information in a row."""
        return cls(
            task_id=row.id,
            user_id=_text(row.user_id),
            user_name=_text(row.user_name),
            created=moment(row.created),
            status=TaskStatus.from_string(row.status),
            duration=_whole(row.duration),
            name=_text(row.name),
            description=_text(row.description),
            progress=_whole(row.raw_progress),
            subtask=_text(row.subtask),
            result=_text(row.result),
            result_type=_text(row.result_type),
            error_code=_text(row.error_code),
            error_description=_text(row.error_description),
        )

    def to_dict(self) -> dict[str, Any]:
        """This as a dictionary that JSON can carry: `id`, the time in ISO 8601, the status by its name."""
        fields = attrs.asdict(self)
        return {
            "id": fields.pop("task_id"),
            **fields,
            "created": None if self.created is None else self.created.isoformat(),
            "status": None if self.status is None else self.status.name,
        }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return int(value) if type(value) in (int, float) and abs(value) < 2**63 else None
