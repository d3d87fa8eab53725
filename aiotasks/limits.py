"""Every default number of the library: its unit, its reason, and the rule of the fault catalogue it keeps.

All durations are seconds, all sizes are bytes.
"""

from __future__ import annotations

from typing import Final

# --- pace -------------------------------------------------------------------------------------------

#: L-01, I-01. Least time between the end of one query that names a task and the start of the next.
FLOOR: Final = 2.0
#: I-01. The step of a coarse loop clock (uvloop's); its timers may fire this much early.
CLOCK_STEP: Final = 0.001
#: How much later than its earliest allowed time a task may be asked, so that tasks can be asked together.
WINDOW: Final = 0.5
#: B-03. The longest duration a caller may give: beyond a year it is a mistake of units.
LONGEST_DURATION: Final = 366 * 86_400.0
#: B-03. The shortest duration above zero.
SHORTEST_DURATION: Final = 0.001

# --- queries ----------------------------------------------------------------------------------------

#: L-02. Connecting and the whole of one status query.
CONNECT_TIMEOUT: Final = 10.0
QUERY_TIMEOUT: Final = 30.0
#: L-02. The whole of one page or file of results, and of one upload.
PAGE_TIMEOUT: Final = 120.0
#: L-03. A status answer after decompression; a ratio beyond this is a bomb once the answer exceeds 1 MiB.
ANSWER_BYTES: Final = 8 * 2**20
INFLATION_RATIO: Final = 200
INFLATION_GRACE: Final = 2**20
#: L-04. One page of results after decompression.
PAGE_BYTES: Final = 64 * 2**20
#: L-02, F-09. Bytes per second that a page or file brings at least, over each such span of seconds.
LEAST_SPEED: Final = 1_024
SPEED_SPAN: Final = 15.0
#: L-07. Redirects followed, by downloads alone.
REDIRECTS: Final = 3
#: L-06. Longest header line, most headers; the HTTP parser refuses more.
HEADER_BYTES: Final = 8_190
MOST_HEADERS: Final = 128
#: F-02. How long an address is remembered.
DNS_CACHE: Final = 60.0
#: A body that cannot be cut is decoded in a worker thread above this size.
DECODE_ON_LOOP_BYTES: Final = 256 * 2**10

# --- when things fail -------------------------------------------------------------------------------

#: L-09. `Retry-After` is honoured up to this, then the account is probed.
LONGEST_RETRY_AFTER: Final = 3_600.0
#: L-10. Backoff: FLOOR + random(0, min(BACKOFF_CAP, 2 * 2**(n-1))) after the n-th failure in a row.
BACKOFF_CAP: Final = 60.0
#: L-11. The circuit opens after this many failures in a row ...
CIRCUIT_FAILURES: Final = 5
#: ... or when at least this share of at least this many outcomes within the span failed.
CIRCUIT_SHARE: Final = 0.5
CIRCUIT_SAMPLE: Final = 20
CIRCUIT_SPAN: Final = 30.0
#: L-11. How long it stays open at first, and at most (it doubles, with jitter).
CIRCUIT_FIRST: Final = 5.0
CIRCUIT_LONGEST: Final = 120.0
#: L-12. Requests in flight per account: at the start, at most.
IN_FLIGHT_START: Final = 2
IN_FLIGHT_MOST: Final = 16
#: F-16. The in-flight limit halves at most once per this span.
THROTTLE_SPAN: Final = 2.0
#: L-13. Retry budget per account: gained per success, gained per second, saved at most.
RETRIES_PER_SUCCESS: Final = 0.2
RETRIES_PER_SECOND: Final = 0.5
RETRIES_SAVED: Final = 20.0
#: L-14. Undecodable answers in a row about one task, over at least this span, before it is given up.
UNDECODABLE_ANSWERS: Final = 10
UNDECODABLE_SPAN: Final = 60.0
#: L-16. Definite refusals of a query before its cohort is split, or of a single task before it is given up.
REFUSALS: Final = 2
#: L-16. Refused cohorts of one account that are being split at once.
SUSPECTS_AT_ONCE: Final = 4
#: F-19. Answers that say a task does not exist before the caller is told so.
DENIALS: Final = 2
#: F-19. A task that this process submitted less than this ago may not be visible yet.
SUBMIT_GRACE: Final = 30.0
#: B-36. Answers in a row that leave a task out, or seconds of that, before it is asked alone.
ABSENCES: Final = 3
ABSENCE_SPAN: Final = 30.0
#: F-30. Tries of one repeatable request (a page, a look-up) before the error is the caller's.
TRIES: Final = 5

# --- credentials ------------------------------------------------------------------------------------

#: Seconds before its end that a credential is renewed; half its lifetime for one that lives shorter than twice that.
RENEWAL_MARGIN: Final = 15.0

# --- scheduler --------------------------------------------------------------------------------------

#: Work done per pass of the loop, shared by answers, mass wake-ups and bulk registration.
TURN_BUDGET: Final = 0.0005
#: Registrations and wake-ups handled between two looks at the clock.
TURN_SLICE: Final = 64
#: Tasks registered or forgotten together per call of the planner.
SLICE: Final = 1_000
#: Waits that time out or are closed, and tasks given up, per call of the planner: about 4 us each.
ENDINGS: Final = 128
#: L-17. `aclose()` lets queries in flight finish for this long.
CLOSE_GRACE: Final = 10.0
#: L-17. What it then cancels may take this long to end.
CLOSE_HARD: Final = 1.0
#: L-18. Tasks per scheduler; waits per task.
MOST_TASKS: Final = 2_000_000
MOST_WAITS_PER_TASK: Final = 10_000
#: I-06. A shorter word of a credential's header than this is no secret, and is left standing in a server's refusal.
SHORTEST_SECRET: Final = 8
#: B-05. Longest task id, in characters.
LONGEST_ID: Final = 512
#: B-46. Longest failure message kept on a task, in characters.
LONGEST_MESSAGE: Final = 4_096

# --- results ----------------------------------------------------------------------------------------

#: L-08. Pages per stream.
MOST_PAGES: Final = 100_000
#: B-50. Empty pages in a row that still name a next one.
EMPTY_PAGES: Final = 10
#: Pages fetched ahead of the consumer unless the caller says otherwise.
PREFETCH: Final = 1
#: Requests under way at once in one `send_many`.
SENDS_AT_ONCE: Final = 8
#: Requests of one account under way at once, status queries apart: those have IN_FLIGHT_MOST of their own.
SENDS_PER_ACCOUNT: Final = 16
