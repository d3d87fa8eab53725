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
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs
import msgspec

from aiotasks import InvalidArgument, InvalidType, Part, ProtocolError, Request, escaped
from aiotasks.limits import PAGE_TIMEOUT
from aiotasks.providers.labelbox.graphql import PLATFORM, Reply, data_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiotasks import Response

__all__ = [
    "CHUNK_BYTES",
    "Draft",
    "GlobalKey",
    "UniqueId",
    "chunks",
    "draft",
    "file_request",
    "manifest",
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


_NEW_ROW: Final = {"type": "AUTO", "value": ""}


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


@attrs.frozen
class Draft:
    """Items ready to go: as JSON and in order, but for those whose local file must be uploaded first."""

    rows: list[bytes]
    #: Position -> the item whose `row_data` is a path.
    files: dict[int, dict[str, Any]]

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


def draft(items: Iterable[Any], dataset_id: str, *, is_upsert: bool) -> Draft:
    """The items, checked and encoded: later changes to them have no effect (B-16).

    Args:
        items: mappings of field to value; when creating, also text: the paths of local files.
        dataset_id: the dataset they go to.
        is_upsert: items may have a `key`, and need `row_data` only without one.

    Raises:
        InvalidType, InvalidArgument: an item that is not allowed; the message names its place, as in
            `items[3].global_key`.
    """
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise InvalidType(f"items: given {type(items).__name__}, allowed: an iterable of mappings")
    drafted = Draft([], {})
    for position, given in enumerate(items):
        place = f"items[{position}]"
        item = _item(place, given, dataset_id, is_upsert=is_upsert)
        if _is_local_file(item["payload"].get("row_data")):
            drafted.files[position] = item
        drafted.rows.append(_encoded(place, item))
    return drafted


def _item(place: str, given: Any, dataset_id: str, *, is_upsert: bool) -> dict[str, Any]:
    if isinstance(given, str) and not is_upsert:
        if not _is_local_file(given):
            raise InvalidArgument(f"{place}: given {escaped(given, 80)!r}, allowed: the path of a file, or a mapping")
        given = {"row_data": given}
    if not isinstance(given, Mapping):
        raise InvalidType(f"{place}: given {type(given).__name__}, allowed: a mapping")
    fields = {name: value for name, value in given.items() if value is not None}
    key = fields.pop("key", None)
    payload = {name: _checked(f"{place}.{name}", name, value) for name, value in fields.items()}
    if key is None and "row_data" not in payload:
        raise InvalidArgument(f"{place}.row_data: missing, allowed: what the new data row is made of")
    if not payload:
        raise InvalidArgument(f"{place}: given nothing but a key, allowed: at least one field to write")
    return {"id": _identity(place, key, is_upsert=is_upsert), "payload": {**payload, "dataset_id": dataset_id}}


def _checked(place: str, name: Any, value: Any) -> Any:
    check = _FIELDS.get(name)
    if check is None:
        raise InvalidArgument(f"{escaped(place, 80)}: given an unknown field, allowed: {', '.join(sorted(_FIELDS))}")
    try:
        return check(value)
    except TypeError as error:
        raise InvalidType(f"{place}: given {type(value).__name__}, allowed: {error}") from None
    except ValueError as error:
        raise InvalidArgument(f"{place}: given {escaped(repr(value), 80)}, allowed: {error}") from None


def _identity(place: str, key: Any, *, is_upsert: bool) -> dict[str, str]:
    if key is None:
        return _NEW_ROW
    if not is_upsert:
        raise InvalidArgument(f"{place}.key: given one, allowed: none, as every item is a new data row")
    if not isinstance(key, UniqueId | GlobalKey):
        raise InvalidType(f"{place}.key: given {type(key).__name__}, allowed: UniqueId or GlobalKey")
    return {"type": key.id_type, "value": key.key}


def _is_local_file(row_data: Any) -> bool:
    # A look at the disk for each of 150,000 URLs would be felt; none of them is a path.
    return isinstance(row_data, str) and "://" not in row_data and os.path.isfile(row_data)


def _encoded(place: str, item: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(item)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{place}: given what is no JSON ({escaped(error, 80)})") from None


# --- files ----------------------------------------------------------------------------------------------


def chunks(rows: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The rows as JSON lists of at most `limit` bytes each, in order; a longer row is a list by itself."""
    batch: list[bytes] = []
    size = 1  # the brackets, less the comma that the last row has not
    for row in rows:
        if batch and size + len(row) + 1 > limit:
            yield b"[" + b",".join(batch) + b"]"
            batch, size = [], 1
        batch.append(row)
        size += len(row) + 1
    if batch:
        yield b"[" + b",".join(batch) + b"]"


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
    """The upload of a local file, read now.

    Raises:
        OSError: it cannot be read.
    """
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
