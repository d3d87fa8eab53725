"""What users call, over a scripted transport or with no transport at all."""

from __future__ import annotations

from typing import Any

import pytest

from aiotasks import InvalidArgument, InvalidType, State, UsageError
from aiotasks.providers.labelbox import Client, DataUpsertTask, ExportTask, Task
from aiotasks.providers.labelbox.kinds import kind_of
from aiotasks.providers.labelbox.source import statuses_of

KEY = "canary-key-71f2"


# --- construction: no loop, no request --------------------------------------------------------------------


def test_construction_needs_no_loop() -> None:
    """A client can be made at import time, and says where it belongs."""
    client = Client(KEY)

    assert client.account.platform == "labelbox"
    assert client.account.origin == "https://api.labelbox.com:443"


def test_key_comes_from_the_environment_as_in_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """LABELBOX_API_KEY is read when no key is given, and makes the same account."""
    monkeypatch.setenv("LABELBOX_API_KEY", KEY)

    assert Client().account == Client(KEY).account


def test_no_key_anywhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the argument and the variable."""
    monkeypatch.delenv("LABELBOX_API_KEY", raising=False)

    with pytest.raises(InvalidArgument, match=r"api_key: .*LABELBOX_API_KEY"):
        Client()


@pytest.mark.parametrize(
    "key", ["", "   ", "secret\r\nX: y", "secret\n", "secr et", "schlüssel", "secret\x00", "🔑secret", b"secret", 7]
)
@pytest.mark.covers("B-10", "I-06")
def test_key_that_cannot_be_one_is_refused_unseen(key: Any) -> None:
    """A key that cannot stand in a header is refused, and the error does not show it."""
    with pytest.raises((InvalidArgument, InvalidType), match="api_key") as caught:
        Client(key)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "api.labelbox.com/graphql",
        "//api.labelbox.com/graphql",
        "file:///etc/passwd",
        "ftp://api.labelbox.com/",
        "http://api.labelbox.com/graphql",
        "https://user:password@api.labelbox.com/graphql",
        "https://api.labelbox.com/graphql?x=1",
        "https://api.labelbox.com/graphql#x",
        "https://api.labelbox.com:99999/graphql",
        "https:///graphql",
        "http://2130706433/graphql",
        "https://0x7f.1/graphql",
        7,
        None,
    ],
)
@pytest.mark.covers("B-11")
def test_endpoint_that_a_key_must_not_go_to_is_refused(endpoint: Any) -> None:
    """Only https, or this machine, and nothing but scheme, host, port and path."""
    with pytest.raises(UsageError, match="endpoint: "):
        Client(KEY, endpoint=endpoint)


@pytest.mark.parametrize(
    "endpoint", ["http://localhost:8080/graphql", "http://127.0.0.1/graphql", "http://[::1]:1/g"]
)
def test_plain_http_is_for_this_machine(endpoint: str) -> None:
    """An emulator needs no certificate."""
    assert Client(KEY, endpoint=endpoint).endpoint == endpoint


@pytest.mark.covers("I-06", "S-11")
def test_key_is_in_no_repr() -> None:
    """Neither the client nor what hangs on it shows the key."""
    client = Client(KEY)

    assert KEY not in repr(client)
    assert KEY not in repr(client.account)
    assert KEY not in repr(vars(client))


@pytest.mark.parametrize("scheduler", [7, "shared", object()])
def test_scheduler_must_be_one(scheduler: Any) -> None:
    """Anything else is refused at once."""
    with pytest.raises(InvalidType, match="scheduler"):
        Client(KEY, scheduler=scheduler)


# --- arguments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["", " ", "a\nb", "a\x00", "\ud800", "x" * 513, None, 7, True, 1.5, b"id"])
@pytest.mark.parametrize("method", ["get_task_by_id", "cancel_task", "get_dataset"])
@pytest.mark.covers("B-04", "B-05", "B-07")
async def test_id_that_cannot_be_one_is_refused_before_any_request(method: str, id: Any) -> None:
    """Nothing is sent: there is no server here."""
    async with Client(KEY, endpoint="http://127.0.0.1:9/graphql") as client:
        with pytest.raises(UsageError, match="_id: given"):
            await getattr(client, method)(id)


@pytest.mark.parametrize(("name", "description"), [("", None), (7, None), ("x", 7), ("x", " ")])
async def test_dataset_needs_a_name(name: Any, description: Any) -> None:
    """An empty name or a description that is none is refused before any request."""
    async with Client(KEY, endpoint="http://127.0.0.1:9/graphql") as client:
        with pytest.raises(UsageError, match=r"name: given|description: given"):
            await client.create_dataset(name, description)


# --- kinds and tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("adv-upsert-data-rows", DataUpsertTask),
        ("ADV-upsert-data-rows", DataUpsertTask),
        ("export-data-rows", ExportTask),
        ("send-to-annotate", Task),
        (None, Task),
        (7, Task),
    ],
)
def test_type_chooses_the_class(type: Any, kind: Any) -> None:
    """Types the library does not know, and no type, are plain tasks."""
    assert kind_of(type) is kind


def token(client: Client, kind: type[Task], id: str = "t1") -> str:
    return client.open_task(kind, id, statuses_of(client, "u1")).token()


def test_token_gives_the_task_back() -> None:
    """A token survives the process and needs no request to become a task again."""
    text = token(Client(KEY), Task)

    task = Client(KEY).from_token(text)

    assert type(task) is Task
    assert (task.uid, task.state, task.source.user_id) == ("t1", State.UNKNOWN, "u1")
    assert KEY not in text


@pytest.mark.parametrize(
    "details", ['{"user": "", "type": null}', '{"user": 7}', "{}", '{"user": "u", "type": 7}', '{"user": "a\\nb"}']
)
def test_token_of_another_make_is_refused(details: str) -> None:
    """A token whose details are not ours is refused, and nothing is sent."""
    text = (
        '{"platform": "labelbox", "origin": "https://api.labelbox.com:443", "id": "t1", '
        f'"details": {details}, "version": 1}}'
    )

    with pytest.raises(UsageError, match="token: given"):
        Client(KEY).from_token(text)


def test_token_of_another_origin_is_refused() -> None:
    """A key goes to its own origin only."""
    with pytest.raises(InvalidArgument, match="token: given"):
        Client(KEY, endpoint="http://localhost:1/graphql").from_token(token(Client(KEY), Task))


def test_fields_are_none_before_anything_was_heard() -> None:
    """A task out of a token knows its id and what its class tells, and says so of nothing else."""
    text = token(Client(KEY), DataUpsertTask)
    task = Client(KEY).from_token(text)
    assert isinstance(task, DataUpsertTask)
    assert (task.type, task.token()) == ("adv-upsert-data-rows", text)
    fields = ("name", "metadata", "completion_percentage", "created_at", "updated_at", "result_url")

    assert [getattr(task, field) for field in fields] == [None] * len(fields)
    assert task.status is None
    assert task.status_as_enum.name == "Unknown"
