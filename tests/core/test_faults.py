"""What follows when something goes wrong: for the query, for the task, and for nobody else."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aiotasks._core import events
from aiotasks.errors import (
    AnswerTooLarge,
    AuthError,
    DecodeError,
    NetworkError,
    PermissionDenied,
    ProtocolError,
    QueryRefused,
    RateLimited,
    ServerError,
    TaskNotFound,
    TaskQueryError,
)
from aiotasks.models import Absence, Answer, TooLarge
from tests.core.model import ModelSource, World, account, world

NO_LATENCY = {"latency": lambda: 0.0}


def failing(error, ids=None, until=float("inf")):
    """Answers with `error` whatever names one of `ids` (all), up to `until`."""

    def respond(it, flight):
        if it.now < until and (ids is None or ids.intersection(flight.query.ids)):
            return error
        return it.answer(flight)

    return respond


def batch_limit(it: World) -> int:
    [lane] = [lane for _, book in it.planner.books() for lane in book.lanes.values()]
    return lane.source.batch_limit


# --- the platform ---------------------------------------------------------------------------------------------


@pytest.mark.covers("F-01", "F-03", "F-05", "F-08", "F-14", "F-32", "I-10", "B-21", "B-31")
@pytest.mark.parametrize(
    "error",
    [NetworkError("reset"), ServerError("502"), DecodeError("cut"), ProtocolError("HTML"), ServerError("503")],
    ids=lambda error: type(error).__name__,
)
def test_failed_query_is_asked_again_and_says_nothing_about_the_job(error):
    """With backoff; the state stays, the error can be read until the next answer, waits go on."""
    it = world(respond=failing(error, until=6.0), **NO_LATENCY)
    tasks = it.tasks(3)
    it.wait(*tasks)
    it.run(4.0)
    assert tasks[0].cohort.error is error
    assert tasks[0].word is None
    it.run(40.0)
    assert tasks[0].cohort.error is None
    assert len(it.sent[0][1]) == 3
    starts = it.asked("t0")
    assert starts[1] - starts[0] == 3.0  # 2 + half of 2
    assert tasks[0].word == "running"


@pytest.mark.covers("F-15")
@pytest.mark.parametrize("error", [RateLimited("429", retry_after=30.0), ServerError("503", retry_after=30)])
def test_account_keeps_away_as_long_as_it_was_asked_to(error):
    """Every cohort of that credential, those that are queued too; other accounts never notice (I-04)."""
    it = world(batch_limit=2, respond=lambda it, flight: failing(error, {"t0"}, 1.0)(it, flight), **NO_LATENCY)
    it.wait(*it.tasks(10))
    other = it.task("x", ModelSource(account("b")))
    it.wait(other)
    it.run(60.0)
    between = [at for at, ids in it.sent if 0.0 < at < 30.0 and "x" not in ids]
    assert between == []
    assert len(it.asked("t0")) > 5
    gaps = [b - a for a, b in pairwise(it.asked("x"))]
    assert set(gaps) == {2.0}


@pytest.mark.covers("F-15", "L-09")
def test_blocked_account_with_a_crowd_is_no_busy_loop():
    """One look at the clock per thing that happens, though a hundred cohorts wait for their slot."""
    it = world(batch_limit=1, respond=failing(RateLimited("429", retry_after=3600.0), until=1.0), **NO_LATENCY)
    it.wait(*it.tasks(100))
    calls = 0
    while (moment := it.planner.next_wakeup()) is not None and moment < 3000.0:
        it.run(moment)
        calls += 1
        assert calls < 50


@pytest.mark.covers("F-17")
def test_refused_credential_gets_one_query_more():
    """2 s later, alone; then every wait of the account ends, and no other's."""
    it = world(batch_limit=5, latency=lambda: 0.3)
    it.respond = lambda it, flight: (
        AuthError("401") if flight.source.account.fingerprint == "a" else it.answer(flight)
    )
    waits = [it.wait(task) for task in it.tasks(40)]
    other = it.wait(it.task("x", ModelSource(account("b"))))
    it.run(60.0)
    assert all(isinstance(wait.outcome, AuthError) for wait in waits)
    assert other.is_open
    mine = [at for at, ids in it.sent if "x" not in ids]
    assert len(mine) == 3  # two were in flight together
    assert mine[-1] >= 2.3
    again = it.wait(it.task("new"))
    it.run(120.0)
    assert isinstance(again.outcome, AuthError)
    assert len([at for at, ids in it.sent if "x" not in ids]) == 5


@pytest.mark.covers("F-17")
def test_renewed_credential_goes_on():
    """Refusals of queries that were in flight together are one refusal."""
    it = world(batch_limit=5, respond=failing(AuthError("401"), until=1.0), latency=lambda: 0.3)
    waits = [it.wait(task) for task in it.tasks(40)]
    it.run(30.0)
    for number in range(40):
        it.set(f"t{number}", "done")
    it.run(60.0)
    assert all(wait.outcome is None and not wait.is_open for wait in waits)


@pytest.mark.covers("F-23", "I-05")
def test_outage_of_an_hour_shrinks_to_probes_and_recovers_as_a_ramp():
    """Probes every two minutes; then no spike, and every cohort is back within half a minute."""
    it = world(batch_limit=10, respond=failing(NetworkError("down"), until=3600.0), is_thorough=False)
    waits = [it.wait(task) for task in it.tasks(1000)]
    it.run(3600.0)
    during = [at for at, _ in it.sent]
    assert len(during) < 60
    assert len([at for at in during if at > 600.0]) <= 26
    it.run(3800.0)
    after = [at for at, _ in it.sent if at >= 3600.0]
    start = after[0]
    per_second = [sum(start + s <= at < start + s + 1 for at in after) for s in range(30)]
    assert per_second[0] <= 40
    assert len({id for at, ids in it.sent if start <= at < start + 30.0 for id in ids}) == 1000
    assert all(wait.is_open for wait in waits)


@pytest.mark.covers("F-12", "F-31", "I-05")
@pytest.mark.parametrize("every", [2, 3, 10])
def test_flapping_service_is_asked_no_more_often_than_a_sound_one(every):
    """No storm of retries: the budget and the circuit bound them."""
    count = 0

    def respond(it, flight):
        nonlocal count
        count += 1
        return NetworkError("flap") if count % every == 0 else it.answer(flight)

    it = world(batch_limit=10, respond=respond, is_thorough=False)
    it.wait(*it.tasks(300))
    it.run(300.0)
    assert len(it.sent) <= 30 * 300 / 2 * 1.1


@pytest.mark.covers("F-23")
def test_what_failed_in_an_outage_needs_no_retry_budget():
    """Two hundred cohorts that failed are not let through at 0.5 a second."""
    it = world(batch_limit=1, respond=failing(NetworkError("down"), until=100.0), is_thorough=False)
    it.wait(*it.tasks(200))
    it.run(100.0)
    for _, book in it.planner.books():
        for record in book.records.values():
            record.cohort.failures += 1
            record.cohort.failed_at = 99.0
    it.run(200.0)
    back = [at for at, _ in it.sent if at > 100.0]
    assert len([at for at in back if at < back[0] + 20.0]) > 400


# --- who is to blame ------------------------------------------------------------------------------------------


@pytest.mark.covers("F-18", "F-20", "F-22", "I-04")
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (QueryRefused("400"), TaskQueryError),
        (PermissionDenied("403"), PermissionDenied),
        (TaskNotFound("404"), TaskNotFound),
    ],
)
def test_poisoned_id_is_found_and_its_siblings_are_asked_on(error, outcome):
    """100 ids, one query: the culprit alone is given up, within 18 s and few requests; no sibling waits 5 s."""
    it = world(batch_limit=100, respond=failing(error, {"t37"}), **NO_LATENCY)
    tasks = it.tasks(100)
    waits = [it.wait(task) for task in tasks]
    it.run(60.0)
    assert [wait for wait in waits if not wait.is_open] == [waits[37]]
    assert isinstance(waits[37].outcome, outcome)
    assert it.settled[waits[37]] <= 18.5
    blamed = [ids for _, ids in it.sent if "t37" in ids]
    assert len(blamed) <= 10
    assert len([at for at, _ in it.sent if at < it.settled[waits[37]]]) <= 50
    assert batch_limit(it) == 100
    starts = it.asked("t99")
    assert max(b - a for a, b in pairwise(starts)) <= 2.5
    assert all(not lane.suspicions for _, book in it.planner.books() for lane in book.lanes.values())
    it.run(120.0)
    assert len([at for at, _ in it.sent if at > 118.0]) <= 3  # the pieces have merged


@pytest.mark.covers("F-22")
def test_two_poisoned_ids_are_both_found():
    """In one query, far apart."""
    it = world(batch_limit=64, respond=failing(QueryRefused("400"), {"t3", "t50"}), **NO_LATENCY)
    waits = [it.wait(task) for task in it.tasks(64)]
    it.run(60.0)
    assert [number for number, wait in enumerate(waits) if not wait.is_open] == [3, 50]


@pytest.mark.covers("F-22", "L-16")
def test_few_refused_cohorts_are_halved_at_once():
    """Ten poisoned cohorts of one account: four at a time."""
    poisoned = {f"t{10 * n}" for n in range(10)}
    it = world(batch_limit=10, respond=failing(QueryRefused("400"), poisoned), **NO_LATENCY)
    waits = [it.wait(task) for task in it.tasks(110)]
    most = 0
    while it.now < 400.0:
        it.run(it.now + 0.5)
        most = max(most, sum(len(lane.suspicions) for _, book in it.planner.books() for lane in book.lanes.values()))
    assert most == 4
    assert {number for number, wait in enumerate(waits) if not wait.is_open} == {10 * n for n in range(10)}


@pytest.mark.covers("F-21")
def test_size_that_is_refused_without_saying_so_is_learnt():
    """Every piece is answered and nobody has left: it was the size."""
    it = world(batch_limit=16, latency=lambda: 0.0)
    it.respond = lambda it, flight: QueryRefused("400") if len(flight.query.ids) > 8 else it.answer(flight)
    it.wait(*it.tasks(16))
    it.run(30.0)
    assert batch_limit(it) == 8
    assert len([at for at, _ in it.sent if at > 28.0]) <= 3


@pytest.mark.covers("F-22")
def test_culprit_that_leaves_proves_nothing_about_the_size():
    """Its wait is cancelled while it is searched for."""
    it = world(batch_limit=16, respond=failing(QueryRefused("400"), {"t5"}), **NO_LATENCY)
    waits = [it.wait(task) for task in it.tasks(16)]
    it.run(5.0)
    it.cancel(waits[5])
    it.run(60.0)
    assert batch_limit(it) == 16
    assert all(not lane.suspicions for _, book in it.planner.books() for lane in book.lanes.values())
    assert sum(wait.is_open for wait in waits) == 15


@pytest.mark.covers("F-14", "F-32")
@pytest.mark.parametrize("error", [NetworkError("reset"), ServerError("502"), ProtocolError("HTML")])
def test_faults_of_the_platform_never_split(error):
    """They say nothing about the tasks that were named."""
    it = world(batch_limit=8, respond=failing(error, until=300.0), **NO_LATENCY)
    waits = [it.wait(*it.tasks(8)), it.wait(it.task("alone", ModelSource(account("b"))))]
    it.run(300.0)
    assert {len(ids) for _, ids in it.sent} == {8, 1}
    assert all(wait.is_open for wait in waits)


@pytest.mark.covers("I-04", "F-39")
def test_task_that_breaks_its_source_is_found_while_others_are_answered():
    """A fault of the source's own on one row is no reason to fail a whole batch for ever."""
    it = world(batch_limit=8, respond=failing(ProtocolError("the source failed: KeyError"), {"t3"}), **NO_LATENCY)
    waits = [it.wait(task) for task in it.tasks(24)]
    it.run(400.0)
    assert [number for number, wait in enumerate(waits) if not wait.is_open] == [3]
    assert isinstance(waits[3].outcome, ProtocolError)
    assert batch_limit(it) == 8


@pytest.mark.covers("L-14", "B-25")
def test_task_whose_answers_cannot_be_read_is_given_up_after_ten_in_a_minute():
    """Not before: garbage comes and goes."""
    it = world(respond=failing(DecodeError("cut"), {"t0"}), **NO_LATENCY)
    wait, other = (it.wait(task) for task in it.tasks(2))
    it.run(1000.0)
    assert isinstance(wait.outcome, ProtocolError)
    assert it.settled[wait] >= 60.0
    assert len(it.asked("t0")) >= 10
    assert other.is_open


@pytest.mark.covers("B-22")
def test_answer_beyond_the_limit_makes_batches_smaller():
    """A batch whose answer is too large would fail for ever."""
    it = world(batch_limit=40, latency=lambda: 0.0)
    it.respond = lambda it, flight: AnswerTooLarge("8 MiB") if len(flight.query.ids) > 10 else it.answer(flight)
    it.wait(*it.tasks(40))
    it.run(20.0)
    assert batch_limit(it) == 10


@pytest.mark.covers("I-04")
def test_newcomers_do_not_join_a_cohort_that_may_hold_a_culprit():
    """Between its first refusal and its acquittal its membership stands."""
    it = world(batch_limit=10, respond=failing(QueryRefused("400"), {"t0"}), **NO_LATENCY)
    it.wait(*it.tasks(3))
    it.run(1.0)
    new = it.task("new")
    it.wait(new)
    it.run(30.0)
    assert all("t0" not in ids for _, ids in it.sent if "new" in ids)


# --- one task in a good answer ----------------------------------------------------------------------------------


@pytest.mark.covers("F-19", "F-26")
def test_id_the_platform_denies_twice_is_not_found():
    """At least 2 s apart; its siblings are unharmed and the state is not touched."""
    it = world(respond=lambda it, flight: Answer(rows=it.answer(flight).rows, missing=("gone",)), **NO_LATENCY)
    gone = it.task("gone")
    it.words.pop("gone")
    wait, other = it.wait(gone), it.wait(*it.tasks(3))
    it.run(10.0)
    assert isinstance(wait.outcome, TaskNotFound)
    assert it.asked("gone") == [0.5, 2.5]
    assert gone.state.value == "unknown"
    assert other.is_open


@pytest.mark.covers("F-19")
@pytest.mark.parametrize("way", ["missing", "refused", "absent", "whole"])
def test_task_submitted_just_now_may_not_be_visible_yet(way):
    """For 30 s; then it is not found. One that becomes visible meanwhile goes on."""

    def respond(it, flight):
        rows = it.answer(flight).rows
        lost = [id for id in flight.query.ids if id not in it.words]
        if way == "missing":
            return Answer(rows=rows, missing=lost)
        if way == "refused":
            return Answer(rows=rows, refused={id: TaskNotFound("404") for id in lost})
        return TaskNotFound("404") if way == "whole" and lost else Answer(rows=rows)

    it = world(batch_limit=1 if way == "whole" else 5, respond=respond, **NO_LATENCY)
    late, never = it.tasks(2)
    late.submitted_at = never.submitted_at = 0.0
    it.words.clear()
    first, second = it.wait(late), it.wait(never)
    it.run(20.0)
    it.set("t0", "running")
    it.run(29.0)
    assert first.is_open
    assert second.is_open
    it.run(120.0)
    assert first.is_open
    assert late.error is None
    assert isinstance(second.outcome, TaskNotFound)


@pytest.mark.covers("F-24", "B-33")
@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (QueryRefused("400"), True),
        (PermissionDenied("403"), True),
        (ServerError("500"), False),
        (RateLimited("429"), False),
    ],
)
def test_entry_that_failed_in_a_good_answer_concerns_its_task_alone(error, ends):
    """Definite ones twice, and it is given up; transient ones are asked on."""
    it = world(respond=lambda it, flight: Answer(rows=it.answer(flight).rows, refused={"bad": error}), **NO_LATENCY)
    bad = it.task("bad")
    it.words.pop("bad")
    wait, other = it.wait(bad), it.wait(*it.tasks(3))
    it.run(30.0)
    assert wait.is_open is not ends
    assert bad.error is error
    assert other.is_open
    starts = it.asked("t0")
    assert max(b - a for a, b in pairwise(starts)) == 2.0


def test_error_of_a_task_is_gone_when_it_is_heard_of():
    """Also when it was given up for it, and a new wait asks again."""
    it = world(respond=failing(QueryRefused("400"), until=6.0), **NO_LATENCY)
    [task] = it.tasks(1)
    it.wait(task)
    it.run(8.0)
    assert isinstance(task.error, TaskQueryError)
    it.wait(task)
    it.run(12.0)
    assert task.error is None


@pytest.mark.covers("B-35", "B-36")
def test_task_that_is_left_out_is_asked_apart_and_then_not_found():
    """Three times in a row with its siblings, twice apart; never "done", never dropped."""
    it = world(**NO_LATENCY)
    task, *others = it.tasks(4)
    it.words.pop("t0")
    wait, other = it.wait(task), it.wait(*others)
    it.run(30.0)
    assert isinstance(wait.outcome, TaskNotFound)
    assert [len(ids) for _, ids in it.sent if "t0" in ids] == [4, 4, 4, 1, 1]
    assert other.is_open
    assert [len(ids) for at, ids in it.sent if at > 25.0] == [3, 3]


@pytest.mark.covers("B-36")
def test_task_that_is_left_out_now_and_then_is_no_case():
    """Only times in a row count."""
    it = world(**NO_LATENCY)
    task, other = it.tasks(2)
    wait = it.wait(task, other)
    for turn in range(30):
        it.words.pop("t0", None) if turn % 3 else it.set("t0", "running")
        it.run(it.now + 2.0)
    assert wait.is_open
    assert {len(ids) for _, ids in it.sent} == {2}


@pytest.mark.covers("F-26", "I-05")
def test_platform_that_forgot_a_thousand_jobs_is_asked_few_queries():
    """Those left out together are asked apart together, and all are not found."""
    it = world(batch_limit=100, is_thorough=False, **NO_LATENCY)
    tasks = it.tasks(1000)
    wait = it.wait(*tasks)
    it.run(3.0)
    sent = len(it.sent)
    it.words.clear()
    it.run(60.0)
    assert not wait.is_open
    assert len(wait.lost) == 1000
    assert all(isinstance(task.error, TaskNotFound) for task in tasks)
    assert len(it.sent) - sent <= 60


@pytest.mark.covers("B-36")
def test_answers_that_are_cut_short_speak_against_nobody():
    """A server that gives at most 10 rows: the others are asked apart, in less and less company, and heard of."""
    it = world(batch_limit=50, respond=lambda it, flight: Answer(rows=it.answer(flight).rows[:10]), **NO_LATENCY)
    wait = it.wait(*it.tasks(50))
    it.run(200.0)
    assert wait.is_open
    assert wait.lost == []


def test_tasks_left_out_since_the_source_just_learnt_how_to_ask_are_no_case():
    """The answer taught it something: the next one is asked in another way."""

    def respond(it, flight):
        if flight.source.batch_limit > 2:
            return Answer(facts=(TooLarge(flight.source.batch_limit),))
        return it.answer(flight)

    it = world(batch_limit=50, respond=respond, **NO_LATENCY)
    task, _ = tasks = it.tasks(2)
    it.wait(*tasks)
    it.run(7.0)
    assert task.trouble is None


@pytest.mark.parametrize("order", [1, -1])
def test_tasks_an_answer_leaves_out_as_unchanged_are_heard_of(order):
    """In several blocks; a wish for a fresh status is fulfilled, and nobody is suspected."""

    def respond(it, flight):
        rows = [row for row in it.answer(flight).rows if row.word != "running"][::order]
        return Answer(rows=rows, absence=Absence.UNCHANGED)

    it = world(batch_limit=50, respond=respond, **NO_LATENCY)
    tasks = it.tasks(20)
    wait, refresh = it.wait(*tasks, is_each=True), it.wait(tasks[0], is_fresh=True)
    it.run(3.0)
    assert refresh in it.settled
    for number in range(5, 15):
        it.set(f"t{number}", "done")
    it.run(30.0)
    assert len(wait.ready) == 10
    assert it.planner.tally.strays == 0
    assert all(task.trouble is None for task in tasks)


def test_answer_equal_to_the_last_need_not_be_read():
    """Proof that every member was present and sound: only clean answers of the same members are remembered."""
    it = world(batch_limit=3, **NO_LATENCY)
    it.wait(*it.tasks(3))
    it.run(0.5)
    it.now = 2.0
    [sent] = [effect for effect in it.planner.due(2.0) if isinstance(effect, events.Send)]
    digest = sent.flight.cohort.digest
    assert it.planner.is_unchanged(sent.flight, digest)
    assert not it.planner.is_unchanged(sent.flight, digest + 1)
    it.planner.feed(events.Landed(sent.flight, 2.0, digest, is_unchanged=True), 2.0)
    assert it.planner.tally.unchanged == 1
    assert it.planner.next_query() == 4.0


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: Answer(rows=rows[:2]),
        lambda rows: Answer(rows=[*rows, rows[0].__class__("stray", "done")]),
        lambda rows: Answer(rows=rows[:2], refused={"t2": ServerError("500")}),
        lambda rows: Answer(rows=rows[:2], missing=("t2",)),
        lambda rows: Answer(rows=rows[:2], absence=Absence.UNCHANGED),
    ],
    ids=["partial", "stray", "refused", "missing", "delta"],
)
def test_answer_that_was_not_clean_is_not_remembered(answer):
    """An equal one would have to be looked at again."""
    it = world(batch_limit=3, respond=lambda it, flight: answer(it.answer(flight).rows), **NO_LATENCY)
    tasks = it.tasks(3)
    for task in tasks:
        task.submitted_at = 1e9
    it.wait(*tasks)
    it.run(0.5)
    assert tasks[0].cohort.digest is None


def test_comparison_that_keeps_missing_is_dropped_and_tried_again():
    """The rung costs something: after eight misses it is tried every sixteenth query."""
    it = world(batch_limit=2, **NO_LATENCY)
    it.wait(*it.tasks(2))
    wanted = []
    respond = World.answer
    it.respond = lambda it, flight: wanted.append(flight.wants_digest) or respond(it, flight)
    for turn in range(60):
        it.set("t0", "running", float(turn))
        it.run(it.now + 2.0)
    assert wanted[:9] == [True] * 9
    assert 2 <= sum(wanted[10:]) <= 5
