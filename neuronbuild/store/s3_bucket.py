"""Requests to one prefix of one bucket, each tried as often as makes sense. Names here are without the prefix."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple, final

from botocore.exceptions import ClientError

from neuronbuild.store.objects import Entry, Version
from neuronbuild.store.s3_answers import (
    ABSENT,
    CONDITION,
    NO_UPLOAD,
    ConditionRefusedError,
    code_of,
    is_unsupported,
    message_of,
    odd_answer,
)
from neuronbuild.store.s3_line import Line
from neuronbuild.store.s3_listing import list_keys, list_uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neuronbuild.store.retry import Answer, Patience
    from neuronbuild.store.s3_client import Connection
    from neuronbuild.store.s3_location import S3Location

ARCHIVES = {"GLACIER", "DEEP_ARCHIVE"}
RESTORED = 'ongoing-request="false"'
DIGEST = 64
"""Characters of a SHA-256 in hexadecimal, the end of every tag."""


class Begun(NamedTuple):
    """An upload in parts that isn't over: of what object, by what word of the server's, and since when (seconds since 1970)."""

    name: str
    upload: str
    since: float


@final
class Bucket:
    """A prefix of a bucket, through a breaker. Every method may raise `StoreError`."""

    def __init__(self, where: S3Location, patience: Patience) -> None:
        self.location = where.text
        self._name = where.bucket
        self._prefix = where.prefix
        self._line = Line(where, patience)
        self.refused = self._line.refused
        self.has_tags = True
        """Whether the server's own tags tell versions apart. Where they don't, digests do."""

    def ask(self, verb: str, name: str, wanted: str | None = None, /, **arguments: object) -> Any:  # noqa: ANN401
        """What one of the client's methods gives for one object: the answer, or the field of it that is wanted."""

        def request(connection: Connection) -> Any:  # noqa: ANN401
            answer = connection.ask(verb, self._prefix + name, **arguments)
            if wanted is not None and not answer.get(wanted):
                raise odd_answer(wanted, answer)
            return answer if wanted is None else answer[wanted]

        return self._line.call(request)

    def receive(self, name: str, then: Callable[[Any, int], Answer], span: tuple[int, int] | None = None) -> Answer | None:
        """Hand the answer to a GET over while it arrives: urllib3's response, and how many bytes it brings.

        `span` is the first byte and the number of bytes of a range. `None` if there is no such object.
        """
        key = self._prefix + name
        wanted = {} if span is None else {"Range": f"bytes={span[0]}-{sum(span) - 1}"}

        def request(connection: Connection) -> Answer:
            plain = connection.plain.send("GET", key, wanted)
            if plain is not None and "content-length" in plain.headers and ("content-range" in plain.headers or not wanted):
                return then(plain.raw, int(plain.headers["content-length"]))
            answer = connection.ask("get_object", key, **wanted)
            if wanted and "ContentRange" not in answer:  # the whole object, which would pass for a damaged one
                raise odd_answer("range, which was asked for", answer)
            size = _need(connection.ask("head_object", key), "ContentLength") if "ContentLength" not in answer else 0
            return then(_line(answer), answer.get("ContentLength", size))

        return self._line.read(key, request)

    def get(self, name: str, limit: int) -> Version | None:
        """The first bytes of an object, as many as that."""

        def read(connection: Connection) -> Version:
            answer = connection.ask("get_object", self._prefix + name)
            with answer["Body"] as body:
                data = body.read(limit)
            return Version(data, self._tag(answer.get("ETag"), data), _age(answer))

        return self._line.read(self._prefix + name, read)

    def head(self, name: str) -> Entry | None:
        """An object's size, tag and date; `None` also if it can't be read."""
        key = self._prefix + name
        answer = None if name in self.refused else self._line.read(key, lambda connection: connection.ask("head_object", key))
        if answer is None:
            return None
        if _is_archived(answer):
            self._line.note_archived(key)
            return None
        return _entry(name, _need(answer, "ContentLength"), answer)

    def put(self, name: str, data: bytes, condition: dict[str, str]) -> str | None:
        """Put a small object, and give its tag; `None` if the condition doesn't hold.

        Raises:
            ConditionRefusedError: the server takes no conditions.
        """
        checksum, key = checksum_of(data), self._prefix + name

        def request(connection: Connection) -> str | None:
            if not condition and (plain := connection.plain.send("PUT", key, connection.put_headers(checksum), data)):
                plain.content  # noqa: B018 (read, so that the connection is used again)
                return self._tag(plain.headers.get("etag"), data)
            try:
                answer = connection.ask("put_object", key, Body=data, ChecksumSHA256=checksum, **condition)
            except ClientError as error:
                if condition and code_of(error) in CONDITION | ABSENT:
                    return None
                if condition and is_unsupported(error) and "checksum" not in message_of(error).lower():
                    raise ConditionRefusedError from None
                raise
            return self._tag(answer.get("ETag"), data)

        tag = self._line.call(request)
        self._line.note_put(key)
        return tag

    def _tag(self, said: str | None, data: bytes) -> str:
        """The server's tag, where it has any that mean something, and the bytes' digest.

        A tag may be given out before it is known what the server's own are worth; by the digest, it stays valid.
        """
        return (said or "" if self.has_tags else "") + hashlib.sha256(data).hexdigest()

    def note_put(self, name: str) -> None:
        """An object was put in parts."""
        self._line.note_put(self._prefix + name)

    def delete(self, name: str, condition: dict[str, str]) -> bool:
        """Remove an object; false if the condition doesn't hold. A server that takes none removes it all the same."""

        def request(connection: Connection) -> bool:
            try:
                connection.ask("delete_object", self._prefix + name, **condition)
            except ClientError as error:
                if code_of(error) in CONDITION:
                    return False
                if condition and is_unsupported(error):
                    connection.ask("delete_object", self._prefix + name)
                elif code_of(error) not in ABSENT:
                    raise
            return True

        return self._line.call(request)

    def copy(self, name: str, target: str) -> bool:
        """Copy within the bucket; false if there is no such object. Onto itself, it sets the date."""
        key = self._prefix + name
        replaced = {"MetadataDirective": "REPLACE"} if name == target else {}

        def request(connection: Connection) -> bool:
            extra, source = {**replaced, **connection.encryption()}, {"Bucket": self._name, "Key": key}
            try:
                connection.client.copy(source, self._name, self._prefix + target, ExtraArgs=extra)
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return False
                raise
            return True

        return self._line.call(request)

    def list(self, prefix: str) -> Iterator[Entry]:
        """Everything below a prefix that may be handed out as far as is known, a thousand at a time."""
        for found in list_keys(self._line, self._prefix + prefix, self.location):
            name = found["Key"][len(self._prefix) :]
            if found.get("StorageClass") in ARCHIVES:
                self._line.note_archived(found["Key"])
            if name not in self.refused:
                yield _entry(name, _need(found, "Size"), found)

    def uploads(self, prefix: str) -> tuple[Begun, ...]:
        """Uploads in parts that are under way below a prefix. A server that can't list them has none."""
        found = list_uploads(self._line, self._prefix + prefix, self.location)
        return tuple(Begun(each["Key"][len(self._prefix) :], each["UploadId"], _time(each, "Initiated")) for each in found)

    def abort_upload(self, name: str, upload: str) -> None:
        """End one upload in parts. One that is over is no error."""

        def request(connection: Connection) -> None:
            try:
                connection.ask("abort_multipart_upload", self._prefix + name, UploadId=upload)
            except ClientError as error:
                if code_of(error) != NO_UPLOAD and code_of(error) not in ABSENT:
                    raise

        self._line.call(request)


def server_tag(tag: str) -> str:
    """The server's part of a version's tag, for `If-Match`; empty if it gave none."""
    return tag[:-DIGEST]


def is_same_version(tag: str | None, other: str | None) -> bool:
    """Whether two tags stand for the same bytes, where the server's own parts can't be compared."""
    return tag == other if tag is None or other is None else tag[-DIGEST:] == other[-DIGEST:]


def checksum_of(data: bytes) -> str:
    """SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _line(answer: dict[str, Any]) -> Any:  # noqa: ANN401 (urllib3's response)
    """What a body is read from; boto3's own stream copies every byte three times."""
    return answer["Body"]._raw_stream  # noqa: SLF001


def _entry(name: str, size: int, answer: dict[str, Any]) -> Entry:
    used = _time(answer, "LastModified")
    return Entry(name, size, answer.get("ETag") or str(used), used)


def _time(answer: dict[str, Any], field: str) -> float:
    """A date that a server states; now, if it states none: nothing is taken to be old for want of a date."""
    return float(answer[field].timestamp()) if answer.get(field) else time.time()


def _need(answer: dict[str, Any], field: str) -> int:
    value = answer.get(field)
    if value is None:
        raise odd_answer(field, answer)
    return int(value)


def _is_archived(answer: dict[str, Any]) -> bool:
    """Whether an object would have to be restored before it can be read."""
    if answer.get("StorageClass") not in ARCHIVES and not answer.get("ArchiveStatus"):
        return False
    return RESTORED not in str(answer.get("Restore", ""))


def _age(answer: dict[str, Any]) -> float:
    """Seconds since an object was written, by the server's own clock; 0 if it doesn't say."""
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if not said or not answer.get("LastModified"):
        return 0.0
    try:
        now = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    return max(0.0, now.timestamp() - _time(answer, "LastModified"))
