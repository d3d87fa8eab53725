"""Lists, exports, creation and changes of isahit lab, against the emulator in virtual time."""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from aiotasks import InvalidArgument, InvalidType, NotSupported, ResultError, SubmitUnknown
from aiotasks.emulators.isahitlab.configurations import configuration, png_uri
from aiotasks.providers.isahitlab import (
    ApiBadRequest,
    ApiForbidden,
    ApiNotFound,
    AuthenticationFailed,
    DuplicateNames,
    InternalServerError,
    IsahitLab,
    PartlyDone,
    TaskPayload,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aiotasks.emulators.isahitlab import IsahitLabEmulator

    Start = Callable[..., Awaitable[tuple[IsahitLabEmulator, IsahitLab]]]

pytestmark = pytest.mark.looptime

BOX = {
    "polygons": [{"geometry": {"type": "rectangle", "vertices": [0, 0, 0.5, 1]}}],
    "labels": {"main": {"labels": [{"id": "cat", "name": "Cat"}, {"id": "dog", "name": "Dog"}]}},
}
SILENT = {"disable_progress_bar": True}


# --- construction ---------------------------------------------------------------------------------------


def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the SDK; without them the error is both of its kinds."""
    for name in ("ACCESS_ID", "SECRET_KEY", "ENDPOINT"):
        monkeypatch.delenv(f"ISAHIT_LAB_API_{name}", raising=False)
    with pytest.raises(AuthenticationFailed, match=r"access_id: .*ISAHIT_LAB_API_ACCESS_ID") as caught:
        IsahitLab()
    assert isinstance(caught.value, InvalidArgument)
    monkeypatch.setenv("ISAHIT_LAB_API_ACCESS_ID", "id")
    monkeypatch.setenv("ISAHIT_LAB_API_SECRET_KEY", "canary-key")
    monkeypatch.setenv("ISAHIT_LAB_API_ENDPOINT", "https://hub.example/")
    client = IsahitLab.from_env()
    assert client.account == IsahitLab("id", "canary-key").account
    assert client.account.origin == "https://hub.example:443"
    assert "canary" not in repr(client.account) + repr(client)


@pytest.mark.parametrize("key", ["a b", "a\r\nb", "schlüssel", 7])
@pytest.mark.covers("B-10")
def test_key_that_cannot_be_one_is_refused_unseen(key: Any) -> None:
    """The error does not show it."""
    with pytest.raises((InvalidArgument, InvalidType), match="secret_key"):
        IsahitLab("id", key, endpoint="https://hub.example/")


@pytest.mark.parametrize("endpoint", ["", "hub.example", "http://hub.example/", "https://h/?x", "ftp://h/"])
@pytest.mark.covers("B-11")
def test_endpoint_that_a_key_must_not_go_to_is_refused(endpoint: Any) -> None:
    """Only https, or this machine. (The SDK recurses until it dies of a base without http.)"""
    with pytest.raises(InvalidArgument, match="endpoint: "):
        IsahitLab("id", "key", endpoint=endpoint)


# --- lists ----------------------------------------------------------------------------------------------


async def test_list_is_lazy_and_paged(isahitlab: Start) -> None:
    """230 documents are three pages; `await` gives the list, `async for` the rows, and a second use reads anew."""
    emulator, lab = await isahitlab()
    emulator.create_tasks(count=230, project="form")
    found = lab.tasks(emulator.projects["form"], iterate=True)
    assert emulator.audit()["requests"] == 0

    assert [row["name"] async for row in found] == [row["name"] for row in await found]
    async with found.pages() as pages:
        sizes = [(len(page.rows), page.total) async for page in pages]
    assert sizes == [(100, 230), (100, 230), (30, 230)]


async def test_empty_list_is_a_list(isahitlab: Start) -> None:
    """Of an empty project; of an unknown one it is an error."""
    emulator, lab = await isahitlab()
    assert await lab.tasks(emulator.projects["form"], **SILENT) == []
    with pytest.raises(ApiNotFound):
        await lab.tasks("nobody", **SILENT)


async def test_many_ids_and_names_are_asked_for_in_chunks(isahitlab: Start) -> None:
    """No request line is longer than a server takes, and everybody is found once."""
    emulator, lab = await isahitlab(faults=[{"line_limit": 8_190}])
    created = emulator.create_tasks(count=250, project="form", name="a rather long name / of a task " * 3)
    project = emulator.projects["form"]
    by_id = await lab.tasks(project, task_id_in=[each["id"] for each in created] * 2, raw_data=True, **SILENT)
    by_name = await lab.tasks(project, name_in=[each["name"] for each in created], raw_data=True, **SILENT)
    assert [row["_id"] for row in by_id] == [row["_id"] for row in by_name] == [each["id"] for each in created]


async def test_page_that_fails_is_asked_for_again(isahitlab: Start) -> None:
    """Rows come without a gap and without a double."""
    emulator, lab = await isahitlab()
    emulator.create_tasks(count=250, project="form")
    emulator.fault(status=502, on="tasks", every=2)
    rows = await lab.tasks(emulator.projects["form"], raw_data=True, **SILENT)
    assert len({row["_id"] for row in rows}) == len(rows) == 250


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"project_id": ""}, "project_id"),
        ({"project_id": 7}, "project_id"),
        ({"task_id_in": "abc"}, "task_id_in"),
        ({"task_id_in": [7]}, "task_id_in"),
        ({"status_in": [""]}, "status_in"),
        ({"name_like": 7}, "name_like"),
        ({"data": ["x"]}, "data"),
        ({"data": {"x": None}}, "data.x"),
        ({"properties": {"": 1}}, "properties"),
        ({"created_at_gt": 7}, "created_at_gt"),
        ({"optional_fields": ["everything"]}, "optional_fields"),
        ({"compatibility_mode": "coco"}, "compatibility_mode"),
        ({"raw_data": "yes"}, "raw_data"),
    ],
)
def test_wrong_filters_are_refused_when_given(arguments: dict[str, Any], message: str) -> None:
    """A typed error that names the argument, before anything is sent."""
    lab = IsahitLab("id", "key", endpoint="https://hub.example/")
    with pytest.raises((InvalidArgument, InvalidType), match=message):
        lab.tasks(**{"project_id": "p", **arguments})
    for ids, words in (("abc", ["complete"]), ([""], ["complete"]), (["a"], [])):
        with pytest.raises((InvalidArgument, InvalidType)):
            lab.open_tasks("p", ids, words)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ApiBadRequest),
        (401, AuthenticationFailed),
        (403, ApiForbidden),
        (404, ApiNotFound),
        (500, InternalServerError),
    ],
)
async def test_errors_have_the_sdks_names(isahitlab: Start, status: int, kind: type[Exception]) -> None:
    """By HTTP status; `errorCode` is read."""
    emulator, lab = await isahitlab()
    emulator.fault(status=status, body={"errorCode": 4002}, on="configuration")
    with pytest.raises(kind) as caught:
        await lab.tasks(emulator.projects["form"], **SILENT)
    assert getattr(caught.value, "errorCode", 4002) == 4002
    assert type(caught.value) is kind


# --- exports --------------------------------------------------------------------------------------------


async def test_export_without_tasks_writes_nothing(isahitlab: Start, tmp_path: Path) -> None:
    """None instead of a path, and an empty list in memory."""
    emulator, lab = await isahitlab()
    project = emulator.projects["iat-polygon"]
    assert await lab.export_tasks(project, "lab", tmp_path, **SILENT) is None
    assert await lab.export_tasks(project, "kili", in_memory=True, **SILENT) == []
    assert os.listdir(tmp_path) == []


@pytest.mark.covers("S-21", "S-22")
async def test_names_of_tasks_cannot_leave_the_export(isahitlab: Start, tmp_path: Path) -> None:
    """Each gets a name of its own that is safe, clashes by case included."""
    emulator, lab = await isahitlab()
    for name in ("../../etc/passwd", "a.jpg", "A.JPG", "/abs", "..", "nul", "x" * 300, "-rf", "a\nb"):
        emulator.create_tasks(name=name, status="complete")
    path = await lab.export_tasks(emulator.projects["iat-rectangle"], "yolo", tmp_path, "all.zip", **SILENT)
    assert path == tmp_path / "all.zip"
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = archive.namelist()
        assert archive.read("data.yaml") == b"nc: 2\nnames: ['cat','dog']\n"
    labels = [name.removeprefix("labels/") for name in names if name != "data.yaml"]
    assert len({name.casefold() for name in labels}) == 9
    assert all(
        name[0] not in "./-" and "/" not in name and len(name) <= 210 and name.isprintable() for name in labels
    )


async def test_masks_are_written_and_painted(isahitlab: Start, tmp_path: Path) -> None:
    """As they are, or each label's pixels in its colour: instance 256 as well, and no colour taken for a code."""
    image_module = pytest.importorskip("PIL.Image")
    emulator, lab = await isahitlab()
    project = emulator.projects["iat-segmentation"]
    pixels = [[(1, 0, 1), (0, 1, 1), (2, 0, 2), (0, 0, 0), (3, 0, 9)]]
    emulator.create_tasks(project=project, name="a.jpg", status="complete", data={"mask": png_uri(pixels)})
    emulator.create_tasks(project=project, name="none", status="complete", data={"annotations": []})

    plain = await lab.export_tasks(project, "mask", tmp_path, "plain", **SILENT)
    options = {"replace_extension": True, "semantic_mapping": {"cat": [5, 6, 2], "dog": (7, 8, 9)}}
    painted = await lab.export_tasks(project, "mask", tmp_path, "painted", options=options, **SILENT)

    assert (os.listdir(plain), os.listdir(painted)) == (["a.jpg.png"], ["a.png"])
    with image_module.open(tmp_path / "painted" / "a.png") as image:
        assert [image.getpixel((x, 0)) for x in range(5)] == [(5, 6, 2), (5, 6, 2), (7, 8, 9), (0, 0, 0), (3, 0, 9)]


@pytest.mark.parametrize("format", ["lab", "kili", "yolo", "mask"])
async def test_export_that_fails_leaves_nothing(isahitlab: Start, tmp_path: Path, format: str) -> None:
    """Neither under its name nor under another."""
    emulator, lab = await isahitlab()
    kind = "iat-segmentation" if format == "mask" else "iat-rectangle"
    emulator.create_tasks(count=250, project=kind, status="complete")
    emulator.fault(status=403, on="tasks", after=2)
    with pytest.raises((ResultError, ApiForbidden)):
        await lab.export_tasks(emulator.projects[kind], format, tmp_path, **SILENT)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


async def test_task_of_an_odd_shape_is_named(isahitlab: Start, tmp_path: Path) -> None:
    """A row that a format cannot make sense of is an error with its task's id."""
    emulator, lab = await isahitlab()
    (task,) = emulator.create_tasks(status="complete", data={"annotations": [{"labels": 3}]})
    with pytest.raises(ResultError, match=task["id"]):
        await lab.export_tasks(task["project"], "yolo", tmp_path, **SILENT)


@pytest.mark.parametrize(
    "arguments",
    [
        {"format": "coco"},
        {"output_filename": "../x.json"},
        {"output_filename": "x.zip"},
        {"output_filename": "there.json"},
        {"output_filename": ".x.json"},
        {"output_filename": "link.json"},
        {"output_folder": "missing"},
        {"output_folder": 7},
        {"format": "yolo", "in_memory": True},
        {"format": "mask", "options": {"semantic_mapping": {"cat": [1, 2, 256]}}},
        {"options": {"input_ids": "x"}},
    ],
)
@pytest.mark.covers("B-13")
async def test_wrong_outputs_are_refused_before_anything_is_sent(
    isahitlab: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]
) -> None:
    """A typed error, no request, and what is there stays as it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.json").write_text("mine")
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere")
    emulator, lab = await isahitlab()
    with pytest.raises((InvalidArgument, InvalidType)):
        await lab.export_tasks(**{"project_id": "p", "format": "lab", **arguments})
    assert emulator.audit()["requests"] == 0
    assert (tmp_path / "there.json").read_text() == "mine"


async def test_format_that_is_not_for_the_project_is_refused(isahitlab: Start, tmp_path: Path) -> None:
    """Masks of rectangles, yolo of sequences, and a form's input that is none."""
    emulator, lab = await isahitlab()
    sequence = emulator.create_project(configuration("iat-rectangle", sequence=True))
    form = emulator.projects["form"]
    for project, format, options in (
        (emulator.projects["iat-rectangle"], "mask", {}),
        (sequence, "yolo", {}),
        (form, "kili", {"input_id": "text"}),
        (form, "mask", {}),
    ):
        with pytest.raises(InvalidArgument):
            await lab.export_tasks(project, format, tmp_path, options=options, **SILENT)  # type: ignore[arg-type]


# --- creation -------------------------------------------------------------------------------------------


async def test_tasks_are_created_with_files_and_data(isahitlab: Start, tmp_path: Path) -> None:
    """Files, grants, data filled in after the labels; the caller's own stays as it was."""
    emulator, lab = await isahitlab()
    project = emulator.projects["iat-rectangle"]
    (tmp_path / "1.txt").write_text("hello")
    payload = TaskPayload(
        "a", ["https://x/1", str(tmp_path / "1.txt"), "resource://y"], {"annotations": [BOX]}, {"score": 2}
    )
    before = json.dumps(payload)

    first, second = await lab.create_tasks(project, "batch", [payload, {"name": "b"}], **SILENT)

    assert json.dumps(payload) == before
    ((file, (name, content)),) = emulator.uploads().items()
    assert (name, content) == ("1.txt", b"hello")
    assert first["resources"] == ["https://x/1", {"id": file, "name": "1.txt"}, "resource://y"]
    assert (first["name"], first["properties"], second["name"]) == ("a", {"score": 2}, "b")
    (row,) = await lab.tasks(project, name_in=["a"], **SILENT)
    assert row["data"]["annotations"] == [{**BOX, "text": "Cat, Dog", "color": "#00ff00"}]


async def test_kili_labels_are_mapped(isahitlab: Start) -> None:
    """What the SDK means to do, and crashes before: boxes around corners, pixels by resolution, known labels."""
    emulator, lab = await isahitlab()
    corners = [{"x": x, "y": y} for x, y in ((0.5, 0.2), (0.1, 0.2), (0.1, 0.9), (0.5, 0.9))]
    pixels = [{"x": 10 * each["x"], "y": 10 * each["y"]} for each in corners]

    def labels(shape: dict[str, Any], name: str = "dog", **more: Any) -> dict[str, Any]:
        annotation = {"boundingPoly": [shape], "categories": [{"name": name}]}
        return {"OBJECT_DETECTION_JOB": {"annotations": [annotation]}, **more}

    tasks = [
        {"name": "a", "data": labels({"normalizedVertices": corners})},
        {"name": "b", "data": labels({"vertices": pixels}, resolution={"width": 10, "height": 10})},
    ]
    project = emulator.projects["iat-rectangle"]
    await lab.create_tasks(project, "b", tasks, compatibility_mode="kili", **SILENT)
    for row in await lab.tasks(project, **SILENT):
        (annotation,) = row["data"]["annotations"]
        assert annotation["polygons"][0]["geometry"]["vertices"] == pytest.approx([0.1, 0.2, 0.5, 0.9])
        assert annotation["labels"] == {"main": {"labels": [{"id": "dog", "name": "Dog"}]}}
    for bad in (labels({"vertices": pixels}), labels({"normalizedVertices": corners}, "cow"), {"annotations": []}):
        with pytest.raises(InvalidArgument, match=r"tasks\[0\].data"):
            await lab.create_tasks(project, "b", [{"name": "c", "data": bad}], compatibility_mode="kili", **SILENT)
    with pytest.raises(InvalidArgument, match="compatibility_mode"):
        await lab.create_tasks(emulator.projects["form"], "b", tasks, compatibility_mode="kili", **SILENT)


async def test_bad_data_creates_nothing(isahitlab: Start) -> None:
    """One task that does not fit the project, and none is created; unchecked it is."""
    emulator, lab = await isahitlab()
    project = emulator.projects["iat-rectangle"]
    tasks = [{"name": "a", "data": {"annotations": []}}, {"name": "b", "data": {"annotations": [{}]}}]
    with pytest.raises(InvalidArgument, match=r"tasks\[1\].data.annotations\[0\]: .*polygons"):
        await lab.create_tasks(project, "b", tasks, **SILENT)
    assert emulator.tasks() == []
    assert len(await lab.create_tasks(project, "b", tasks, disable_data_check=True, **SILENT)) == 2


async def test_names_in_use_are_refused_or_skipped(isahitlab: Start) -> None:
    """505 names are two questions; twice the same name is none at all."""
    emulator, lab = await isahitlab()
    form = emulator.projects["form"]
    await lab.create_tasks(form, "b", [{"name": "old"}], **SILENT)
    tasks = [{"name": f"n{n}"} for n in range(504)] + [{"name": "old"}]

    with pytest.raises(DuplicateNames) as caught:
        await lab.create_tasks(form, "b", tasks, **SILENT)
    assert caught.value.names == ("old",)
    before = emulator.audit()["requests"]
    with pytest.raises(DuplicateNames):
        await lab.create_tasks(form, "b", [{"name": "x"}, {"name": "x"}], **SILENT)
    assert emulator.audit()["requests"] == before
    assert len(await lab.create_tasks(form, "b", tasks, raise_if_existing=False, **SILENT)) == 504
    assert len(await lab.create_tasks(form, "b", tasks[-1:], disable_unicity_check=True, **SILENT)) == 1


@pytest.mark.parametrize(
    "task",
    [
        "a",
        {},
        {"name": ""},
        {"name": 7},
        {"name": "a", "resource": "x"},
        {"name": "a", "resources": "https://x"},
        {"name": "a", "resources": ["/no/such/file"]},
        {"name": "a", "resources": [{}]},
        {"name": "a", "data": []},
        {"name": "a", "data": {"x": float("nan")}},
        {"name": "a", "data": {"x": object()}},
    ],
)
async def test_wrong_tasks_are_refused_before_anything_is_sent(isahitlab: Start, task: Any) -> None:
    """The message names the place."""
    emulator, lab = await isahitlab()
    with pytest.raises((InvalidArgument, InvalidType), match=r"tasks\[1\]"):
        await lab.create_tasks("p", "b", [{"name": "good"}, task], **SILENT)
    assert emulator.audit()["requests"] == 0


async def test_nothing_to_create_sends_nothing(isahitlab: Start) -> None:
    """An empty list is one; a project that nobody knows is an error where there is something."""
    emulator, lab = await isahitlab()
    assert await lab.create_tasks("p", "b", [], **SILENT) == []
    assert emulator.audit()["requests"] == 0
    with pytest.raises(ApiNotFound):
        await lab.create_tasks("nobody", "b", [{"name": "a"}], **SILENT)


async def test_failure_in_the_middle_tells_what_was_created(isahitlab: Start) -> None:
    """What was created stays and is told; the lost one is not created twice."""
    emulator, lab = await isahitlab()
    emulator.fault(on="create", reset=True, processed=True, after=1, times=1)
    with pytest.raises(PartlyDone) as caught:
        await lab.create_tasks(emulator.projects["form"], "b", [{"name": f"n{n}"} for n in range(4)], **SILENT)
    assert len(caught.value.done) == 3
    ((_, error),) = caught.value.failures.items()
    assert isinstance(error, SubmitUnknown)
    assert len(emulator.tasks()) == 4


async def test_without_jsonschema_nothing_is_sent(isahitlab: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra; tasks without data need no check."""
    monkeypatch.setitem(__import__("sys").modules, "jsonschema", None)
    emulator, lab = await isahitlab()
    with pytest.raises(NotSupported, match=r"aiotasks\[isahitlab\]"):
        await lab.create_tasks("p", "b", [{"name": "a", "data": {"x": 1}}], **SILENT)
    assert emulator.audit()["requests"] == 0
    assert len(await lab.create_tasks(emulator.projects["form"], "b", [{"name": "a"}], **SILENT)) == 1


# --- changes --------------------------------------------------------------------------------------------


async def test_redo_and_review_go_on_after_a_failure(isahitlab: Start) -> None:
    """All failures are told together; of one task alone it is its own error."""
    emulator, lab = await isahitlab()
    created = emulator.create_tasks(count=100, status="complete")
    project, ids = created[0]["project"], [each["id"] for each in created]

    assert await lab.send_tasks_to_review(project, ids + ids, **SILENT) == 100
    with pytest.raises(PartlyDone) as caught:
        await lab.send_tasks_to_redo(project, ["x", *ids, "y"], reset=True, **SILENT)
    assert set(caught.value.failures) == {"x", "y"}
    assert caught.value.done == tuple(ids)
    assert {task["status"] for task in emulator.tasks()} == {"pending"}
    with pytest.raises(ApiNotFound):
        await lab.send_tasks_to_review(project, ["x/../y"], **SILENT)
    assert await lab.send_tasks_to_redo(project, [], **SILENT) == 0


async def test_properties_are_set_in_chunks(isahitlab: Start) -> None:
    """205 ids are two requests; other names than `score` and `custom` are refused."""
    emulator, lab = await isahitlab()
    created = emulator.create_tasks(count=205)
    project, ids = created[0]["project"], [each["id"] for each in created]
    assert await lab.update_properties_of_tasks(project, ids, {"custom": {"colour": "red"}}, **SILENT) == 205
    assert emulator.audit()["requests"] == 3
    assert len(await lab.tasks(project, properties={"custom.colour": "red"}, **SILENT)) == 205
    with pytest.raises(ValueError, match="colour"):
        await lab.update_properties_of_tasks(project, ids, {"colour": "red"})
