"""Which observations a record takes, and what an ended record counts as.

PENDING, RUNNING, UNKNOWN  <->  any of them, in any order (B-40)
           |
           v   a word that its source calls final
SUCCEEDED, FAILED, CANCELLED, and never anything else (I-03)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiotasks.limits import LONGEST_MESSAGE

if TYPE_CHECKING:
    from aiotasks._core.cohorts import Record
    from aiotasks.models import Observation

__all__ = ["copy_state", "observe"]


def observe(record: Record, seen: Observation, now: float) -> bool:
    """Take in what an answer says. -> whether the caller-visible state or progress changed."""
    if record.is_final:
        return False  # a late or stale answer (B-41)
    record.heard_at = now
    changed = record.word != seen.word or record.progress != seen.progress or record.state is not seen.state
    record.word = seen.word
    record.state = seen.state
    record.progress = seen.progress
    record.details = seen.details
    record.message = seen.message and seen.message[:LONGEST_MESSAGE]
    record.is_final = seen.is_final
    return changed


def copy_state(record: Record, other: Record) -> None:
    """Let `record`, another handle on the same task, show what `other` knows."""
    if record.is_final:
        return
    record.word = other.word
    record.state = other.state
    record.progress = other.progress
    record.details = other.details
    record.message = other.message
    record.is_final = other.is_final
    record.error = other.error
    record.heard_at = max(record.heard_at, other.heard_at)
