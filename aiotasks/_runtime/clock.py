"""The wall clock, for what is written on it: dates of servers. All scheduling reads the loop's clock instead."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["utc_now"]


def utc_now() -> datetime:
    """The time of day, which may jump: never a measure of how long something took."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that asks (STYLE 10)
