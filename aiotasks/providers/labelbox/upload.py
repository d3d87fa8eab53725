"""Data rows on their way to Labelbox: checked, encoded, cut into chunks, and listed in a manifest.

Each item becomes `{"id": {"type": T, "value": V}, "payload": {...}}`, items become chunks (JSON lists of at most
10,000,000 bytes), each chunk is uploaded as a file, a manifest names the files' URLs, and one mutation starts the
import. Items keep their order within chunks, and chunks theirs in the manifest; the SDK's come in the order in which
its threads finish.

**Source**: wire notes, section 8.1 [R].
"""

from __future__ import annotations

import math
import mimetypes
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs
import msgspec

from aiotasks import InvalidArgument, InvalidType, Part, ProtocolError, Request, escaped
from aiotasks.limits import PAGE_TIMEOUT
from aiotasks.providers.labelbox.graphql import PLATFORM, Reply, data_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiotasks import Response, UsageError

__all__ = [
    "CHUNK_BYTES",
    "Draft",
    "GlobalKey",
    "UniqueId",
    "chunks",
    "file_request",
    "manifest",
    "many",
    "upload_request",
    "uploaded_url",
]

#: Most bytes of one chunk, as the SDK cuts them [R]; a single row beyond that is a chunk of its own.
CHUNK_BYTES: Final = 10_000_000


# --- keys of existing rows ------------------------------------------------------------------------------


def _checked_key(_: Any, __: Any, value: Any) -> None:
    if not isinstance(value, str):
        raise InvalidType(f"key: given {type(value).__name__}, allowed: text")
    if not value.strip():
        raise InvalidArgument("key: given empty text, allowed: text with at least one character")


@attrs.frozen
class UniqueId:
    """A data row by the id that Labelbox gave it."""

    key: str = attrs.field(validator=_checked_key)
    id_type: ClassVar[str] = "ID"


@attrs.frozen
class GlobalKey:
    """A data row by the key that its creator gave it; where there is none yet, an upsert creates it."""

    key: str = attrs.field(validator=_checked_key)
    id_type: ClassVar[str] = "GKEY"


_NEW_ROW: Final[Mapping[str, str]] = {"type": "AUTO", "value": ""}


# --- fields ---------------------------------------------------------------------------------------------
# Each check gives the value as it goes over the wire, or says what is allowed: in a TypeError or a ValueError, whose
# text the caller completes with the place and the value given.


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    if not value:
        raise ValueError("text with at least one character")
    return value


def _row_data(value: Any) -> Any:
    if not isinstance(value, str | Mapping):
        raise TypeError("a URL, a path, text, or a mapping")
    if not value:
        raise ValueError("something that is not empty")
    if isinstance(value, str) and value.startswith("s3:/"):
        raise ValueError("an https URL for assets in S3")
    return value


def _metadata_field(value: Mapping[str, Any]) -> dict[str, Any]:
    """The SDK sends schema ids, which it looks up where a name is given; names are sent as they are here [I]."""
    schema_id = value.get("schema_id", value.get("schemaId"))
    if "value" not in value or (schema_id is None and value.get("name") is None):
        raise ValueError("mappings with `value`, and `schema_id` or `name`")
    known_by = {"name": _text(value["name"])} if schema_id is None else {"schemaId": _text(schema_id)}
    return {**known_by, "value": value["value"]}


def _attachment(value: Mapping[str, Any]) -> dict[str, Any]:
    if not all(isinstance(value.get(key), str) and value[key] for key in ("type", "value")):
        raise ValueError("mappings with `type` and `value`, each text that is not empty")
    return dict(value)


def _embedding(value: Mapping[str, Any]) -> dict[str, Any]:
    try:
        embedding_id, vector = _text(value["embedding_id"]), [float(number) for number in value["vector"]]
    except (KeyError, TypeError, ValueError):
        raise ValueError("mappings with `embedding_id`, and `vector`, a list of numbers") from None
    if not all(map(math.isfinite, vector)):
        raise ValueError("vectors of finite numbers")
    clusters = {"clusters": value["clusters"]} if value.get("clusters") else {}
    return {"embeddingId": embedding_id, "vector": vector, **clusters}


def _list_of(check: Callable[[Mapping[str, Any]], Any]) -> Callable[[Any], list[Any]]:
    def checked(value: Any) -> list[Any]:
        if not isinstance(value, list | tuple) or not all(isinstance(entry, Mapping) for entry in value):
            raise TypeError("a list of mappings")
        return [check(entry) for entry in value]

    return checked


_FIELDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "row_data": _row_data,
    "global_key": _text,
    "external_id": _text,
    "media_type": _text,
    "metadata_fields": _list_of(_metadata_field),
    "attachments": _list_of(_attachment),
    "embeddings": _list_of(_embedding),
}


# --- items ----------------------------------------------------------------------------------------------


class _Refused(Exception):
    def __init__(self, field: str, given: str, allowed: str, kind: type[UsageError] = InvalidArgument) -> None:
        super().__init__(f"{field}: given {given}, allowed: {allowed}")
        self.kind = kind


def many(items: Any) -> list[Any]:
    """The items as a list of our own (B-16).

    Raises:
        InvalidType: it is one item, or text, or nothing to go through.
    """
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise InvalidType(f"items: given {type(items).__name__}, allowed: an iterable of mappings")
    return list(items)


@attrs.define
class Draft:
    """Items on their way, as JSON and in order.

    Args:
        dataset_id: the dataset they go to.
        is_upsert: items may have a `key`, and need `row_data` only without one; text is no item.
    """

    dataset_id: str
    is_upsert: bool
    #: Each item as JSON; of one in `files`, as it was before the upload.
    rows: list[bytes] = attrs.field(factory=list, init=False)
    #: Position -> the item whose `row_data` is the path of a local file.
    files: dict[int, dict[str, Any]] = attrs.field(factory=dict, init=False)

    def add(self, given: Any) -> None:
        """Check and encode one item: changes to it have no effect from here on.

        Raises:
            InvalidType, InvalidArgument: it is not allowed; the message names its place, as in
                `items[3].global_key`.
        """
        position = len(self.rows)
        try:
            item = self._item(given)
            encoded = _encoded(item)
        except _Refused as refusal:
            raise refusal.kind(f"items[{position}]{refusal}") from None
        if _is_local_file(item["payload"].get("row_data")):
            self.files[position] = item
        self.rows.append(encoded)

    @property
    def paths(self) -> list[str]:
        """The local files, in the order of `files`."""
        return [item["payload"]["row_data"] for item in self.files.values()]

    def with_urls(self, urls: Iterable[str]) -> list[bytes]:
        """All rows, each local file replaced by the URL of its upload; `urls` in the order of `paths`."""
        rows = list(self.rows)
        for (position, item), url in zip(self.files.items(), urls, strict=True):
            payload = {"external_id": item["payload"]["row_data"], **item["payload"], "row_data": url}
            rows[position] = msgspec.json.encode({**item, "payload": payload})
        return rows

    def _item(self, given: Any) -> dict[str, Any]:
        if isinstance(given, str) and not self.is_upsert:
            if not _is_local_file(given):
                raise _Refused("", escaped(repr(given), 80), "the path of a file, or a mapping")
            given = {"row_data": given}
        if not isinstance(given, Mapping):
            raise _Refused("", type(given).__name__, "a mapping", InvalidType)
        fields = {name: value for name, value in given.items() if value is not None}
        identity = self._identity(fields.pop("key", None))
        payload = {name: _checked(name, value) for name, value in fields.items()}
        if identity is _NEW_ROW and "row_data" not in payload:
            raise _Refused(".row_data", "none", "what the new data row is made of")
        if not payload:
            raise _Refused("", "nothing but a key", "at least one field to write")
        payload["dataset_id"] = self.dataset_id
        return {"id": identity, "payload": payload}

    def _identity(self, key: Any) -> Mapping[str, str]:
        if key is None:
            return _NEW_ROW
        if not self.is_upsert:
            raise _Refused(".key", "one", "none, as every item is a new data row")
        if not isinstance(key, UniqueId | GlobalKey):
            raise _Refused(".key", type(key).__name__, "UniqueId or GlobalKey", InvalidType)
        return {"type": key.id_type, "value": key.key}


def _checked(name: Any, value: Any) -> Any:
    check = _FIELDS.get(name)
    if check is None:
        raise _Refused(f".{escaped(name, 40)}", "an unknown field", ", ".join(sorted(_FIELDS)))
    try:
        return check(value)
    except TypeError as error:
        raise _Refused(f".{name}", type(value).__name__, str(error), InvalidType) from None
    except ValueError as error:
        raise _Refused(f".{name}", escaped(repr(value), 80), str(error)) from None


def _encoded(item: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(item)
    except (TypeError, ValueError, RecursionError) as error:
        raise _Refused("", f"what is no JSON ({escaped(error, 80)})", "values that JSON has") from None


def _is_local_file(row_data: Any) -> bool:
    # A look at the disk for each of 150,000 URLs would be felt; none of them is a path.
    return isinstance(row_data, str) and "://" not in row_data and os.path.isfile(row_data)


# --- files ----------------------------------------------------------------------------------------------


def chunks(rows: Sequence[bytes], limit: int) -> Iterator[bytes]:
    """The rows as JSON lists of at most `limit` bytes each, in order; a longer row is a list by itself."""
    # Sums of lengths and a search in them: looking at 150,000 rows one by one would be felt on the loop.
    sums = [0, *accumulate(map(len, rows))]
    numbers = range(len(sums))
    start = 0
    while start < len(rows):
        # Rows start to end take their own bytes, a comma less than there are rows, and two brackets.
        room = sums[start] + start + limit - 1
        end = bisect_right(numbers, room, lo=start, key=lambda number: sums[number] + number) - 1
        end = max(end, start + 1)
        yield b"[" + b",".join(rows[start:end]) + b"]"
        start = end


def manifest(item_count: int, chunk_uris: Sequence[str]) -> bytes:
    """What the import is started with: where its chunks are, in order."""
    return msgspec.json.encode({"source": "SDK", "item_count": item_count, "chunk_uris": chunk_uris})


_UPLOAD_FILE: Final = (
    "mutation UploadFile($file: Upload!, $contentLength: Int!, $sign: Boolean) "
    "{ uploadFile(file: $file, contentLength: $contentLength, sign: $sign) {url filename} }"
)
_MAP: Final = Part(name="map", content=b'{"1": ["variables.file"]}')


def upload_request(
    endpoint: str,
    content: bytes,
    *,
    filename: str | None = None,
    content_type: str | None = "application/json",
    sign: bool = False,
) -> Request:
    """One file as a GraphQL multipart request. Repeatable: a file uploaded twice is named once in the manifest."""
    variables = {"file": None, "contentLength": len(content), "sign": sign}
    operations = msgspec.json.encode({"variables": variables, "query": _UPLOAD_FILE})
    return Request(
        url=endpoint,
        headers={"accept": "application/json"},
        parts=(
            Part(name="operations", content=operations),
            _MAP,
            Part(name="1", content=content, filename=filename, content_type=content_type),
        ),
        is_repeatable=True,
        timeout=PAGE_TIMEOUT,
    )


def file_request(endpoint: str, path: str) -> Request:
    """The upload of a local file, read now: called off the loop.

    Raises:
        InvalidType: not a path; a number would be somebody's open file.
        OSError: it cannot be read.
    """
    if not isinstance(path, str | os.PathLike):
        raise InvalidType(f"path: given {type(path).__name__}, allowed: a path")
    with open(path, "rb") as file:
        content = file.read()
    filename, content_type = os.path.basename(path), mimetypes.guess_type(path)[0]
    return upload_request(endpoint, content, filename=filename, content_type=content_type)


class _File(msgspec.Struct, frozen=True):
    url: str


class _Uploaded(msgspec.Struct, frozen=True):
    file: _File = msgspec.field(name="uploadFile")


_UPLOADED: Final = msgspec.json.Decoder(Reply[_Uploaded])


def uploaded_url(response: Response) -> str:
    """Where Labelbox put the file."""
    url = data_of(response, _UPLOADED).file.url
    if not url:
        raise ProtocolError("labelbox: the upload has no URL", platform=PLATFORM, http_status=response.status)
    return url
