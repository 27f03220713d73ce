"""Requests to one prefix of one bucket. Names here are without the prefix."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import time
from typing import TYPE_CHECKING, Any, final

from botocore.exceptions import ClientError

from neuronbuild.store.objects.backend import Backend, Begun, ConditionRefusedError, Page, Part
from neuronbuild.store.objects.base import ANY, Entry, Version
from neuronbuild.store.objects.s3.answers import ABSENT, CONDITION, NO_UPLOAD, code_of, is_unsupported, message_of, odd_answer
from neuronbuild.store.objects.s3.body import S3Body
from neuronbuild.store.objects.s3.line import Line
from neuronbuild.store.objects.s3.listing import list_page, list_uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from neuronbuild.store.objects.backend import Body, Result
    from neuronbuild.store.objects.s3.client import Connection
    from neuronbuild.store.objects.s3.location import S3Location

ARCHIVES = {"GLACIER", "DEEP_ARCHIVE"}
RESTORED = 'ongoing-request="false"'


@final
class Bucket(Backend):
    """A prefix of a bucket."""

    def __init__(self, where: S3Location) -> None:
        self.location = where.text
        self.rights = "check endpoint_url; the credentials need s3:GetObject as well as s3:PutObject"
        self._name = where.bucket
        self._prefix = where.prefix
        self._line = Line(where)
        self.refused = self._line.refused

    def receive(self, name: str, take: Callable[[Body, int], Result], span: tuple[int, int] | None = None) -> Result | None:
        """GET, by the plain request if the server takes it."""
        key = self._prefix + name
        wanted = {} if span is None else {"Range": f"bytes={span[0]}-{sum(span) - 1}"}

        def hand_over(response: Any, size: int) -> Result:  # noqa: ANN401 (urllib3's response)
            with S3Body(response) as body:
                return take(body, size)

        def request(connection: Connection) -> Result:
            plain = connection.plain.send("GET", key, wanted)
            if plain is not None and "content-length" in plain.headers and ("content-range" in plain.headers or not wanted):
                return hand_over(plain.raw, int(plain.headers["content-length"]))
            answer = connection.ask("get_object", key, **wanted)
            if wanted and "ContentRange" not in answer:  # the whole object, which would pass for a damaged one
                raise odd_answer("range, which was asked for", answer)
            size = _need(connection.ask("head_object", key), "ContentLength") if "ContentLength" not in answer else 0
            return hand_over(answer["Body"]._raw_stream, answer.get("ContentLength", size))  # noqa: SLF001

        return self._line.read(key, request)

    def get(self, name: str, limit: int) -> Version | None:
        """GET."""

        def read(connection: Connection) -> Version:
            answer = connection.ask("get_object", self._prefix + name)
            with answer["Body"] as body:
                data = body.read(limit)
            return Version(data, answer.get("ETag") or "", _age(answer))

        return self._line.read(self._prefix + name, read)

    def head(self, name: str) -> Entry | None:
        """HEAD."""
        key = self._prefix + name
        answer = None if name in self.refused else self._line.read(key, lambda connection: connection.ask("head_object", key))
        if answer is None:
            return None
        if _is_archived(answer):
            self._line.note_archived(key)
            return None
        return _entry(name, _need(answer, "ContentLength"), answer)

    def put(self, name: str, data: bytes, expected: str | None = ANY) -> str | None:
        """PUT, under `If-None-Match` or `If-Match` where there is a condition."""
        checksum, key, condition = checksum_of(data), self._prefix + name, _condition(expected)

        def request(connection: Connection) -> str | None:
            if not condition and (plain := connection.plain.send("PUT", key, connection.put_headers(checksum), data)):
                plain.content  # noqa: B018 (read, so that the connection is used again)
                return plain.headers.get("etag") or ""
            try:
                answer = connection.ask("put_object", key, Body=data, ChecksumSHA256=checksum, **condition)
            except ClientError as error:
                if condition and code_of(error) in CONDITION | ABSENT:
                    return None
                if condition and is_unsupported(error) and "checksum" not in message_of(error).lower():
                    raise ConditionRefusedError from None
                raise
            return answer.get("ETag") or ""

        tag = self._line.call(request)
        self._line.note_put(key)
        return tag

    def delete(self, name: str, expected: str = ANY) -> bool:
        """DELETE, under `If-Match` where there is a condition. A server that takes none removes the object all the same."""
        condition = _condition(expected)

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
        """Copy within the bucket, in parts if it is large."""
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

    def list_page(self, prefix: str, position: Hashable | None) -> Page:
        """ListObjectsV2, or what the server knows instead: a thousand a request."""
        listed = self._line.call(lambda connection: list_page(connection, self._prefix + prefix, position))
        for found in listed.contents:
            if found.get("StorageClass") in ARCHIVES:
                self._line.note_archived(found["Key"])
        entries = [_entry(found["Key"][len(self._prefix) :], _need(found, "Size"), found) for found in listed.contents]
        return Page(entries, listed.following)

    def begin_upload(self, name: str) -> str:
        """CreateMultipartUpload."""
        return str(self._ask("create_multipart_upload", name, "UploadId", ChecksumAlgorithm="SHA256"))

    def put_part(self, name: str, upload: str, number: int, data: bytes, sha256: bytes) -> Part:
        """UploadPart, with the SHA-256 that the server compares with what arrives."""
        checksum = {"ChecksumSHA256": base64.b64encode(sha256).decode(), "ChecksumAlgorithm": "SHA256"}
        tag = self._ask("upload_part", name, "ETag", UploadId=upload, PartNumber=number, Body=data, **checksum)
        return Part(number, tag, sha256)

    def complete_upload(self, name: str, upload: str, parts: Sequence[Part]) -> None:
        """CompleteMultipartUpload."""
        named = [
            {"PartNumber": part.number, "ETag": part.tag, "ChecksumSHA256": base64.b64encode(part.sha256).decode()}
            for part in parts
        ]
        self._ask("complete_multipart_upload", name, "ResponseMetadata", UploadId=upload, MultipartUpload={"Parts": named})
        self._line.note_put(self._prefix + name)

    def uploads(self, prefix: str) -> tuple[Begun, ...]:
        """ListMultipartUploads, all pages."""
        found = list_uploads(self._line, self._prefix + prefix, self.location)
        return tuple(Begun(each["Key"][len(self._prefix) :], each["UploadId"], _time(each, "Initiated")) for each in found)

    def abort_upload(self, name: str, upload: str) -> None:
        """AbortMultipartUpload."""

        def request(connection: Connection) -> None:
            try:
                connection.ask("abort_multipart_upload", self._prefix + name, UploadId=upload)
            except ClientError as error:
                if code_of(error) != NO_UPLOAD and code_of(error) not in ABSENT:
                    raise

        self._line.call(request)

    def _ask(self, verb: str, name: str, wanted: str, /, **arguments: object) -> Any:  # noqa: ANN401 (boto3 is untyped)
        """The field that is wanted of what one of the client's methods answers for one object."""

        def request(connection: Connection) -> Any:  # noqa: ANN401
            answer = connection.ask(verb, self._prefix + name, **arguments)
            if not answer.get(wanted):
                raise odd_answer(wanted, answer)
            return answer[wanted]

        return self._line.call(request)


def _condition(expected: str | None) -> dict[str, str]:
    """Arguments of a conditional request: the tag that an object must have, `ANY`, or `None` for no object."""
    if expected is None:
        return {"IfNoneMatch": "*"}
    return {} if expected == ANY else {"IfMatch": expected}


def checksum_of(data: bytes) -> str:
    """SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


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
