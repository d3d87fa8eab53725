"""The auditor counts what arrives and judges the gaps."""

from __future__ import annotations

from aiotasks.emulators.audit import Auditor


def test_new_auditor_reports_nothing():
    """Before anything arrives every count is 0 and there is no gap."""
    assert Auditor().report() == {
        "requests": 0,
        "status_requests": 0,
        "tasks": 0,
        "checks": 0,
        "min_gap_seconds": None,
        "violations": 0,
    }


def test_request_that_asks_for_no_status_is_only_a_request():
    """Uploads, pages of rows and downloads count as requests and as nothing else."""
    auditor = Auditor()
    auditor.arrived()
    report = auditor.report()
    assert (report["requests"], report["status_requests"]) == (1, 0)


def test_gap_of_two_seconds_is_no_violation():
    """The smallest gap is reported, and two seconds are enough."""
    auditor = Auditor()
    for at in (10.0, 12.0, 15.5):
        auditor.asked(at, tasks=["a"])
    report = auditor.report()
    assert (report["min_gap_seconds"], report["violations"], report["checks"]) == (2.0, 0, 3)


def test_each_task_asked_too_early_is_a_violation():
    """A violation is counted per task, not per request."""
    auditor = Auditor()
    auditor.asked(10.0, tasks=["a", "b", "c"])
    auditor.asked(11.5, tasks=["a", "b"])
    report = auditor.report()
    assert (report["min_gap_seconds"], report["violations"]) == (1.5, 2)


def test_task_repeated_in_one_request_counts_once():
    """Two aliases of one request for one task are one check and no gap."""
    auditor = Auditor()
    auditor.asked(10.0, tasks=["a", "a", "b"])
    report = auditor.report()
    assert (report["checks"], report["tasks"], report["min_gap_seconds"]) == (2, 2, None)


def test_list_page_names_no_task_but_has_a_gap_of_its_own():
    """The same page of the same list is judged, another page of it is not."""
    auditor = Auditor()
    auditor.asked(10.0, pages=["list 0"])
    auditor.asked(10.1, pages=["list 100"])
    assert auditor.report()["violations"] == 0
    auditor.asked(11.0, pages=["list 0"])
    report = auditor.report()
    assert (report["violations"], report["min_gap_seconds"]) == (1, 1.0)
    assert (report["tasks"], report["checks"], report["status_requests"]) == (0, 0, 3)
