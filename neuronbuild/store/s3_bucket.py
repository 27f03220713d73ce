"""Requests to one prefix of one bucket, each tried as often as makes sense. Names here are without the prefix."""

from __future__ import annotations

import base64
import email.utils
import hashlib
from typing import TYPE_CHECKING, Any, final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from neuronbuild.store.objects import Entry, Version
from neuronbuild.store.retry import Breaker
from neuronbuild.store.s3_faults import ABSENT, CONDITION, code_of, explainer
from neuronbuild.store.s3_plain import PlainRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neuronbuild.store.retry import Answer, Patience
    from neuronbuild.store.s3_location import S3Location

CONNECTIONS = 32
AMAZON = "amazonaws.com"
CHECKSUM = "x-amz-checksum-sha256"


@final
class Bucket:
    """A prefix of a bucket, through a breaker. Every method may raise `StoreError`."""

    def __init__(self, where: S3Location, patience: Patience) -> None:
        self.location = where.text
        self._name = where.bucket
        self._prefix = where.prefix
        explain = explainer(self.location)
        self._breaker = Breaker(self.location, patience, explain)
        try:
            session = boto3.session.Session(profile_name=where.profile)
            self._client = open_client(where, session)
            self._plain = PlainRequests(self._client, session.get_credentials(), where.bucket)
        except (BotoCoreError, ValueError) as error:
            trouble = explain(error)
            raise (trouble.error if trouble else error) from None

    def ask(self, verb: str, name: str, then: Callable[[Any], Any] = lambda answer: answer, /, **arguments: object) -> Any:  # noqa: ANN401
        """One of the client's methods on one object; `then` takes what is wanted from the answer while it arrives."""
        method = getattr(self._client, verb)
        return self._breaker.call(lambda: then(method(Bucket=self._name, Key=self._prefix + name, **arguments)))

    def ask_if_there(self, verb: str, name: str, then: Callable[[Any], Answer], /, **arguments: object) -> Answer | None:
        """The same, or `None` if there is no such object."""
        return self._breaker.call(lambda: self._try(verb, name, then, arguments))

    def _try(self, verb: str, name: str, then: Callable[[Any], Answer], arguments: dict[str, Any]) -> Answer | None:
        try:
            return then(getattr(self._client, verb)(Bucket=self._name, Key=self._prefix + name, **arguments))
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise

    def receive(self, name: str, then: Callable[[Any, int], Answer], span: tuple[int, int] | None = None) -> Answer | None:
        """Hand the answer to a GET over while it arrives: urllib3's response, and how many bytes it brings.

        `span` is the first byte and the number of bytes of a range. `None` if there is no such object.
        """
        wanted = {} if span is None else {"Range": f"bytes={span[0]}-{sum(span) - 1}"}

        def request() -> Answer | None:
            plain = self._plain.send("GET", self._prefix + name, wanted)
            if plain is not None:
                return then(plain.raw, int(plain.headers["content-length"]))
            return self._try("get_object", name, lambda answer: then(_line(answer), answer["ContentLength"]), wanted)

        return self._breaker.call(request)

    def get(self, name: str, limit: int) -> Version | None:
        """The first bytes of an object, as many as that."""

        def read(answer: dict[str, Any]) -> Version:
            with answer["Body"] as body:
                data = body.read(limit)
            return Version(data, answer["ETag"], _age(answer))

        return self.ask_if_there("get_object", name, read)

    def head(self, name: str) -> Entry | None:
        """An object's size, tag and date."""

        def read(answer: dict[str, Any]) -> Entry:
            return Entry(name, answer["ContentLength"], answer["ETag"], answer["LastModified"].timestamp())

        return self.ask_if_there("head_object", name, read)

    def put(self, name: str, data: bytes, condition: dict[str, str]) -> str | None:
        """Put a small object, and give its tag; `None` if the condition doesn't hold."""
        checksum = checksum_of(data)

        def request() -> str | None:
            if not condition and (plain := self._plain.send("PUT", self._prefix + name, {CHECKSUM: checksum}, data)):
                plain.content  # noqa: B018 (read, so that the connection is used again)
                return str(plain.headers["etag"])
            try:
                answer = self._client.put_object(
                    Bucket=self._name, Key=self._prefix + name, Body=data, ChecksumSHA256=checksum, **condition
                )
            except ClientError as error:
                if condition and code_of(error) in CONDITION | ABSENT:
                    return None
                raise
            return str(answer["ETag"])

        return self._breaker.call(request)

    def delete(self, name: str, condition: dict[str, str]) -> bool:
        """Remove an object; false if the condition doesn't hold."""

        def request() -> bool:
            try:
                self._client.delete_object(Bucket=self._name, Key=self._prefix + name, **condition)
            except ClientError as error:
                if code_of(error) in CONDITION:
                    return False
                if code_of(error) not in ABSENT:
                    raise
            return True

        return self._breaker.call(request)

    def copy(self, name: str, target: str) -> bool:
        """Copy within the bucket; false if there is no such object. Onto itself, it sets the date."""
        source = {"Bucket": self._name, "Key": self._prefix + name}
        extra = {"MetadataDirective": "REPLACE"} if name == target else None

        def request() -> bool:
            try:
                self._client.copy(source, self._name, self._prefix + target, ExtraArgs=extra)
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return False
                raise
            return True

        return self._breaker.call(request)

    def list(self, prefix: str) -> Iterator[Entry]:
        """Everything below a prefix, a thousand at a time."""
        asked: dict[str, Any] = {"Bucket": self._name, "Prefix": self._prefix + prefix}
        while True:
            page = self._breaker.call(lambda: self._client.list_objects_v2(**asked))
            for found in page.get("Contents", ()):
                name = found["Key"][len(self._prefix) :]
                yield Entry(name, found["Size"], found["ETag"], found["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]


def checksum_of(data: bytes) -> str:
    """SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _line(answer: dict[str, Any]) -> Any:  # noqa: ANN401 (urllib3's response)
    """What a body is read from; boto3's own stream copies every byte three times."""
    return answer["Body"]._raw_stream  # noqa: SLF001


def _age(answer: dict[str, Any]) -> float:
    """Seconds since an object was written, by the server's own clock."""
    now = email.utils.parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    written: float = answer["LastModified"].timestamp()
    return max(0.0, now.timestamp() - written)


def open_client(where: S3Location, session: boto3.session.Session) -> Any:  # noqa: ANN401 (boto3 makes its classes at run time)
    """A client by boto3's own chain of credentials and configuration; our own retries, and no checksums but our own.

    Raises:
        BotoCoreError, ValueError: the configuration can't be used.
    """
    common: dict[str, Any] = {
        "connect_timeout": min(5.0, where.timeout),
        "read_timeout": where.timeout,
        "max_pool_connections": CONNECTIONS,
        "retries": {"total_max_attempts": 1},
        "signature_version": "s3v4",
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "tcp_keepalive": True,
    }
    named: dict[str, Any] = {
        "endpoint_url": where.endpoint_url,
        "region_name": where.region or session.region_name or "us-east-1",
    }
    s3: dict[str, Any] = {
        "payload_signing_enabled": False,  # the body's SHA-256 is in a signed header already
        "addressing_style": "virtual",
    }
    client = session.client("s3", config=Config(s3=s3, **common), **named)
    if AMAZON not in client.meta.endpoint_url or "." in where.bucket:
        # Servers of one's own seldom have a host name for each bucket, and Amazon's certificates don't cover dots.
        client = session.client("s3", config=Config(s3={**s3, "addressing_style": "path"}, **common), **named)
    return client
