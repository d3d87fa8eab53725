"""What users call, over a scripted transport or with no transport at all."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from aiotasks import (
    AuthError,
    InvalidArgument,
    InvalidType,
    PermissionDenied,
    RateLimited,
    ResultError,
    State,
    SubmitUnknown,
    TaskNotFound,
    UsageError,
)
from aiotasks.providers.deepint import (
    Client,
    Credentials,
    DeepintCredentialsError,
    DeepintHTTPError,
    DeepintTaskError,
    Source,
    Task,
    TaskInfo,
    TaskStatus,
    Workspace,
)
from aiotasks.providers.deepint.urls import Place, place_of
from aiotasks.testing import ScriptedTransport, in_turn, json_response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOKEN = "canary-token-9b1c"
NOWHERE = Credentials(TOKEN, "http://127.0.0.1:9")

FEATURES = {
    "features": [
        {"index": 1, "name": "day", "date_format": "DD/MM"},
        {"index": 0, "name": "name", "computed": False},
        {"index": 2, "name": "length", "computed": True},
    ]
}


def client_of(*answers: Any) -> tuple[Client, ScriptedTransport]:
    """A client whose server gives these answers in turn."""
    client = Client(NOWHERE, organization_id="o")
    given = [answer if hasattr(answer, "status") else json_response(answer) for answer in answers]
    transport = ScriptedTransport(in_turn(*given), account=client.account, credential=client.credentials)
    client._transport = transport
    return client, transport


def refusal(status: int, code: str = "ODD") -> Any:
    return json_response({"code": code, "message": "m"}, status=status)


# --- construction: no loop, no request ----------------------------------------------------------------


def test_construction_needs_no_loop() -> None:
    """A client can be made at import time, says where it belongs, and shows its token to nobody."""
    client = Client(Credentials(TOKEN), organization_id="o")
    assert (client.account.platform, client.account.origin) == ("deepint", "https://app.deepint.net:443")
    assert TOKEN not in repr(client) + repr(vars(client)) + repr(client.workspace("w").source("s"))


def test_credentials_are_found_as_in_the_sdk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`Credentials.build()` is what is used when none are given."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DEEPINT_TOKEN", TOKEN)
    monkeypatch.setenv("DEEPINT_INSTANCE", "http://127.0.0.1:9")
    assert Client().credentials == NOWHERE
    monkeypatch.delenv("DEEPINT_TOKEN")
    with pytest.raises(DeepintCredentialsError):
        Client()


@pytest.mark.parametrize(
    "options",
    [
        {"credentials": TOKEN},
        {"credentials": 7},
        {"organization_id": ""},
        {"organization_id": 7},
        {"organization_id": "o\r\nx: y"},
        {"organization_id": "ö"},
        {"scheduler": 7},
    ],
)
def test_client_refuses_what_is_no_argument_of_its(options: dict[str, Any]) -> None:
    """By name, and without showing the token."""
    with pytest.raises(UsageError, match=f"{next(iter(options))}: ") as caught:
        Client(**{"credentials": NOWHERE, **options})
    assert TOKEN not in str(caught.value)


# --- arguments ----------------------------------------------------------------------------------------

BAD_IDS = ["", " ", "a\nb", "a\x00", "\ud800", "x" * 513, ".", "..", None, 7, True, 1.5, b"id"]


@pytest.mark.parametrize("id", BAD_IDS)
@pytest.mark.covers("B-04", "B-05", "B-07")
async def test_id_that_cannot_be_one_is_refused_before_any_request(id: Any) -> None:
    """Nothing is sent: there is no server here."""
    async with Client(NOWHERE, organization_id="o") as client:
        for build in (("o", "w", id), ("o", id, "t"), (id, "w", "t")):
            with pytest.raises(UsageError, match="_id: given"):
                await Task.build(*build, client=client)
        with pytest.raises(UsageError, match="workspace_id: given"):
            client.workspace(id)
        with pytest.raises(UsageError, match="source_id: given"):
            client.workspace("w").source(id)


async def test_organization_is_the_calls_or_the_clients() -> None:
    """Without either there is nothing to ask."""
    assert Client(NOWHERE, organization_id="o").workspace("w").organization_id == "o"
    assert Client(NOWHERE, organization_id="o").workspace("w", organization_id="p").organization_id == "p"
    with pytest.raises(InvalidArgument, match="organization_id: given none"):
        Client(NOWHERE).workspace("w")


@pytest.mark.parametrize("client", [7, "client", object()])
async def test_client_must_be_one(client: Any) -> None:
    """Anything else is refused, and so are other credentials beside it."""
    with pytest.raises(InvalidType, match="client: given"):
        await Task.build("o", "w", "t", client=client)
    with pytest.raises(InvalidArgument, match="credentials: given others"):
        await Task.build("o", "w", "t", Credentials("another"), client=Client(NOWHERE))


@pytest.mark.parametrize("poll_interval", [0, 1.9, -3, float("nan"), float("inf"), "3", None, True, 10**9])
@pytest.mark.covers("B-01", "B-02")
async def test_poll_interval_below_two_seconds_is_refused(poll_interval: Any) -> None:
    """By its own name, before any request."""
    task = Client(NOWHERE).from_token(token())
    assert isinstance(task, Task)
    with pytest.raises((ValueError, TypeError), match="poll_interval: given"):
        await task.resolve(poll_interval=poll_interval)


@pytest.mark.parametrize(
    "call",
    [
        lambda workspace, task: task.resolve(raise_on_error=1),
        lambda workspace, task: task.fetch_result(force_reload="yes"),
        lambda workspace, task: task.is_errored(force_reload=None),
        lambda workspace, task: workspace.tasks.fetch(name=7),
        lambda workspace, task: workspace.tasks.fetch(name=""),
        lambda workspace, task: workspace.tasks.fetch(task_id=7),
        lambda workspace, task: workspace.tasks.fetch(force_reload=1),
        lambda workspace, task: workspace.tasks.fetch_all(force_reload=1),
        lambda workspace, task: workspace.tasks.fetch_by_status("failed"),
        lambda workspace, task: workspace.clone(""),
        lambda workspace, task: workspace.clone(7),
        lambda workspace, task: workspace.clone("x", wait_for_creation=1),
        lambda workspace, task: workspace.export(task="t"),
        lambda workspace, task: workspace.export(wait_for_download=1),
        lambda workspace, task: workspace.export(folder_path="/nowhere/at/all"),
        lambda workspace, task: workspace.export(folder_path=7),
        lambda workspace, task: workspace.source("s").instances.clean(""),
        lambda workspace, task: workspace.source("s").instances.clean(7),
        lambda workspace, task: workspace.source("s").instances.update([]),
        lambda workspace, task: workspace.source("s").instances.update("rows"),
        lambda workspace, task: workspace.source("s").instances.update({"a": 1}),
        lambda workspace, task: workspace.source("s").instances.update([7]),
        lambda workspace, task: workspace.source("s").instances.update(7),
        lambda workspace, task: workspace.source("s").instances.update([{"a": 1}], replace=1),
        lambda workspace, task: workspace.source("s").instances.update([{"a": 1}], pk=7),
        lambda workspace, task: workspace.source("s").instances.update([{"a": 1}], send_with_index=7),
    ],
)
async def test_bad_argument_sends_nothing(call: Callable[[Workspace, Task], Any]) -> None:
    """The script of this server is empty."""
    client, transport = client_of()
    task = client.from_token(token())
    assert isinstance(task, Task)
    with pytest.raises(UsageError, match=": "):
        await call(client.workspace("w"), task)
    assert transport.requests == []


# --- URLs ---------------------------------------------------------------------------------------------

WEB = "https://app.deepint.net/o/org/workspace?ws=w&s=task&i=t"
API = "https://app.deepint.net/api/v1/workspace/w/task/t"


@pytest.mark.parametrize(
    ("url", "organization"),
    [
        (WEB, "org"),
        ("https://app.deepint.net:443/o/org/workspace?i=t&s=task&x=1&ws=w#top", "org"),
        (API, None),
        (API + "/", None),
        (API.replace("/task/", "/tasks/"), None),
    ],
)
def test_urls_of_tasks(url: str, organization: str | None) -> None:
    """Web and API, in any order, with a fragment or a trailing slash."""
    assert place_of(url) == Place("https://app.deepint.net:443", organization, "w", "t")


@pytest.mark.parametrize(
    "url",
    [
        "",
        7,
        "app.deepint.net/api/v1/workspace/w/task/t",
        "https://user:pw@app.deepint.net/api/v1/workspace/w/task/t",
        "https://app.deepint.net/api/v1/workspace/w/task",
        "https://app.deepint.net/api/v1/workspace/w/source/s",
        "https://app.deepint.net/o/org/workspace?ws=w&s=source&i=t",
        "https://app.deepint.net/o/org/workspace?ws=w&s=task",
        "https://app.deepint.net/o/org/workspace?ws=w&ws=v&s=task&i=t",
        "ftp://app.deepint.net/api/v1/workspace/w/task/t",
        "https://[::1/api/v1/workspace/w/task/t",
    ],
)
async def test_other_urls_are_refused(url: Any) -> None:
    """With what is allowed."""
    with pytest.raises(UsageError, match="url: "):
        await Task.from_url(url, "o", client=Client(NOWHERE))


@pytest.mark.parametrize("url", [WEB, API, WEB.replace("app.", "evil."), API.replace("https://", "http://")])
@pytest.mark.covers("S-05", "I-06")
async def test_foreign_url_gets_no_token(url: str) -> None:
    """The SDK sends it there; here it is an error before any request."""
    client, transport = client_of()
    with pytest.raises(InvalidArgument, match="url: given one at"):
        await Task.from_url(url, "o", client=client)
    assert transport.requests == []


async def test_url_of_the_api_needs_an_organization() -> None:
    """From the argument or the client."""
    with pytest.raises(InvalidArgument, match="organization_id: given none"):
        await Task.from_url("http://127.0.0.1:9/api/v1/workspace/w/task/t", client=Client(NOWHERE))


# --- tokens -------------------------------------------------------------------------------------------


def token() -> str:
    client = Client(NOWHERE)
    return client.open_task(Task, "t", client.statuses("o", "w")).token()


def test_token_gives_the_task_back() -> None:
    """Without a request, and with nothing known but where it is."""
    task = Client(NOWHERE).from_token(token())
    assert isinstance(task, Task)
    assert (task.organization_id, task.workspace_id, task.state) == ("o", "w", State.UNKNOWN)
    assert task.to_dict()["info"] == {**TaskInfo("t").to_dict(), "id": "t", "status": None}
    assert task.credentials == NOWHERE
    assert TOKEN not in token()


@pytest.mark.parametrize("details", ["{}", '{"organization": "o"}', '{"organization": 7, "workspace": "w"}'])
def test_token_of_another_make_is_refused(details: str) -> None:
    """A token whose details are not ours is refused."""
    text = f'{{"platform": "deepint", "origin": "http://127.0.0.1:9", "id": "t", "details": {details}, "version": 1}}'
    with pytest.raises(UsageError, match="given"):
        Client(NOWHERE).from_token(text)


# --- methods over a scripted transport ----------------------------------------------------------------


async def test_clean_is_the_sdks_request() -> None:
    """DELETE with the condition as JSON; the task is not asked about."""
    client, transport = client_of({"task_id": "t1"}, {"task_id": "t2"})
    instances = client.workspace("w").source("s/1").instances
    assert (await instances.clean("a > 1")).id == "t1"
    assert (await instances.clean()).workspace_id == "w"
    first, second = transport.requests
    assert (first.method, first.url) == ("DELETE", "http://127.0.0.1:9/api/v1/workspace/w/source/s%2F1/instances")
    assert (first.body, second.body) == (b'{"where":"a > 1"}', b"{}")
    assert not first.is_repeatable


async def test_update_is_the_sdks_form() -> None:
    """Fields as the SDK writes them, the file in the source's order without computed columns; rows stay as given."""
    client, transport = client_of(FEATURES, {"task_id": "t1"}, FEATURES, {"task_id": "t2"})
    instances = client.workspace("w").source("s").instances
    rows = [{"day": "01/02", "name": 'a, "b"'}, {"day": None, "name": "c"}]
    await instances.update(rows, pk="name", date_format_feature=1)
    await instances.update(iter(rows), replace=True, pk="name")
    _, first, _, second = transport.requests
    parts = {part.name: part.content for part in first.parts}
    assert parts == {
        "replace": b"False",
        "pk": b"name",
        "separator": b",",
        "quotes": b'"',
        "csv_header": b"yes",
        "parameters_fields": b"",
        "date_format": b"DD/MM",
        "file": b'name,day\n"a, ""b""",01/02\nc,\n',
    }
    assert [part.filename for part in first.parts if part.name == "file"] == ["file"]
    other = {part.name: part.content for part in second.parts}
    assert (other["replace"], "pk" in other, "date_format" in other) == (b"True", False, False)
    assert rows == [{"day": "01/02", "name": 'a, "b"'}, {"day": None, "name": "c"}]


class Frame:
    """As much of a pandas DataFrame as the SDK uses."""

    columns = ("day", "name")
    empty = False

    def to_csv(self, *, sep: str, index: bool, columns: list[str]) -> str:
        return f"{sep}|{index}|{columns}"


async def test_data_frame_writes_itself() -> None:
    """As the SDK has it written."""
    client, transport = client_of(FEATURES, {"task_id": "t1"}, FEATURES)
    instances = client.workspace("w").source("s").instances
    await instances.update(Frame(), send_with_index=True)
    assert transport.requests[1].parts[-1].content == b",|True|['name', 'day']"
    empty = Frame()
    empty.empty = True
    with pytest.raises(InvalidArgument, match="empty DataFrame"):
        await instances.update(empty)


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        ([{"name": "a"}], {}),
        ([{"name": "a", "day": "b", "more": 1}], {}),
        ([{"name": "a", "day": "b", 7: 1}], {}),
        ([{"name": "a", "day": "b"}], {"pk": "more"}),
        ([{"name": "a", "day": "b"}], {"date_format_feature": 0}),
        ([{"name": "a", "day": "b"}], {"date_format_feature": 9}),
        ([{"name": "a", "day": "b"}], {"date_format_feature": True}),
    ],
)
async def test_rows_that_do_not_fit_start_no_upload(rows: Any, options: dict[str, Any]) -> None:
    """Only the source was asked about."""
    client, transport = client_of(FEATURES)
    with pytest.raises(UsageError, match=": given"):
        await client.workspace("w").source("s").instances.update(rows, **options)
    assert [request.method for request in transport.requests] == ["GET"]


async def test_clone_is_the_sdks_request() -> None:
    """Its task is in the new workspace; without a name the workspace is asked for its own."""
    client, transport = client_of({"task_id": "t1", "workspace_id": "v"}, {"name": "mine"}, {"task_id": "t2"})
    task = await client.workspace("w").clone("copy", wait_for_creation=False)
    assert isinstance(task, Task)
    assert (task.id, task.workspace_id) == ("t1", "v")
    await client.workspace("w").clone(wait_for_creation=False)
    first, _, last = transport.requests
    assert first.url == "http://127.0.0.1:9/api/v1/workspace/w/clone"
    assert [msgspec.json.decode(request.body or b"") for request in (first, last)] == [
        {"name": "copy"},
        {"name": "Copy of mine"},
    ]


async def test_export_is_the_sdks_request() -> None:
    """No body, and no type of one."""
    client, transport = client_of({"task_id": "t1"})
    task = await client.workspace("w").export(wait_for_download=False)
    assert isinstance(task, Task)
    (request,) = transport.requests
    assert (request.method, request.body, "content-type" in request.headers) == ("POST", None, False)


@pytest.mark.parametrize("answer", [{"task": "t"}, {"task_id": ""}, {"task_id": 7}, json_response({}, status=201)])
@pytest.mark.covers("B-56", "F-25")
async def test_start_without_a_task_leaves_it_open_whether_there_is_one(answer: Any) -> None:
    """And it is not asked for twice."""
    client, transport = client_of(answer)
    with pytest.raises(SubmitUnknown):
        await client.workspace("w").export(wait_for_download=False)
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(400), DeepintHTTPError),
        (refusal(404), DeepintHTTPError),
        (refusal(401), AuthError),
        (refusal(403), PermissionDenied),
        (refusal(400, "LIMIT"), RateLimited),
    ],
)
async def test_refused_start_is_refused(answer: Any, kind: type[Exception]) -> None:
    """A definite no is a definite error."""
    client, transport = client_of(answer)
    with pytest.raises(kind):
        await client.workspace("w").source("s").instances.clean()
    assert len(transport.requests) == 1


async def test_start_that_was_not_let_in_is_tried_again() -> None:
    """429 was not executed: after ten seconds at least, as the SDK does."""
    client, transport = client_of(refusal(429, "LIMIT"), {"task_id": "t1"})
    await client.workspace("w").export(wait_for_download=False)
    assert transport.pauses[0] >= 10.0


async def test_delete_is_the_sdks_request() -> None:
    """Repeatable; a task that is not there is not found; another refusal is one."""
    client, transport = client_of({"deleted": True}, refusal(404, "TASK_NOT_FOUND"), refusal(409))
    task = client.from_token(token())
    assert isinstance(task, Task)
    await task.delete()
    with pytest.raises(TaskNotFound):
        await task.delete()
    with pytest.raises(DeepintHTTPError):
        await task.delete()
    request = transport.requests[0]
    assert (request.method, request.url) == ("DELETE", "http://127.0.0.1:9/api/v1/workspace/w/task/t")
    assert (request.body, request.is_repeatable) == (None, True)


async def test_list_is_read_page_by_page() -> None:
    """From 0, the first without a number; a task that shifted to the next page is given once; lazy and repeatable."""

    def page(number: int, *ids: str) -> Any:
        items = [{"id": id, "status": "running", "name": f"n{id}"} for id in ids]
        return {"items": items, "page": number, "pages_count": 2}

    client, transport = client_of(page(0, "a", "b"), page(1, "b", "c"), page(0, "a"), page(1, "b"))
    tasks = client.workspace("w").tasks.fetch_all()
    assert transport.requests == []
    assert [task.id for task in await tasks] == ["a", "b", "c"]
    assert [request.url.rpartition("/")[2] for request in transport.requests] == ["tasks", "tasks?page=1"]
    assert [task.info.name async for task in tasks] == ["na", "nb"]


@pytest.mark.parametrize(
    "answer",
    [
        {"items": [], "page": 3, "pages_count": 9},
        {"items": [{"status": "running"}], "page": 0, "pages_count": 1},
        {"items": None, "page": 0, "pages_count": 1},
        {"items": [], "page": None, "pages_count": 1},
        refusal(404),
    ],
)
@pytest.mark.covers("B-54")
async def test_page_that_is_none_is_a_result_error(answer: Any) -> None:
    """Never silently short."""
    client, _ = client_of(*[answer] * 5)
    with pytest.raises(ResultError):
        await client.workspace("w").tasks.fetch_all()


async def test_list_goes_on_after_a_cursor_of_its_own() -> None:
    """And after no other."""
    client, transport = client_of({"items": [{"id": "z", "status": "running"}], "page": 4, "pages_count": 5})
    results = client.workspace("w").tasks.fetch_all()
    async with results.pages(after="4") as pages:
        assert [task.id async for page in pages for task in page.rows] == ["z"]
    async with results.pages(after="x") as pages:
        with pytest.raises(InvalidArgument, match="after: given"):
            await anext(pages)
    assert len(transport.requests) == 1


@pytest.mark.covers("I-11")
async def test_verdict_is_the_sdks_error() -> None:
    """Its text and code, with what ours carries besides."""
    item = {"id": "t", "status": "failed", "name": "n", "error_code": "C", "error_description": "d", "result": None}
    client, _ = client_of({"items": [item], "page": 0, "pages_count": 1})
    (task,) = await client.workspace("w").tasks.fetch_all()
    with pytest.raises(DeepintTaskError) as caught:
        await task.resolve()
    error = caught.value
    assert str(error) == "TASK_C: Task (t) n failed with description: d"
    assert (error.code, error.status, error.details, error.task_id) == ("TASK_C", "failed", "d", "t")
    assert await task.is_errored()
    assert await task.fetch_result() == {}
    await task.resolve(raise_on_error=False)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.code, copy.message) == (DeepintTaskError, str(error), "TASK_C", error.message)


def test_handles_are_values() -> None:
    """Workspaces and sources of one id are equal."""
    client = Client(NOWHERE, organization_id="o")
    assert client.workspace("w") == client.workspace("w")
    assert isinstance(client.workspace("w").source("s"), Source)
    assert TaskStatus.failed
