"""GET and PUT of an object without the S3 library's work around each call.

boto3 needs about 2 ms of Python for a call: rules for endpoints, hooks, parsing. That is more than the bytes of a small object
take, and threads don't help. What is left here is what a request needs: botocore's own signature, sent through the client's own
connections, with its proxies and certificates.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, final
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

if TYPE_CHECKING:
    from botocore.credentials import Credentials

PLAIN_NAME = re.compile(r"(?!.*--x-s3$)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
"""A bucket as most are. Access points and directory buckets sign in other ways."""

SERVER = 500


@final
class PlainRequests:
    """Requests to one bucket, for the answers that all goes well with. Others are the client's, which knows what they mean."""

    def __init__(self, client: Any, credentials: Credentials | None, bucket: str) -> None:  # noqa: ANN401 (boto3 is untyped)
        self._client = client
        self._credentials = credentials
        self._base = _base(client, bucket) if credentials and PLAIN_NAME.fullmatch(bucket) else None

    def send(self, method: str, key: str, headers: dict[str, str], body: bytes | None = None) -> Any | None:  # noqa: ANN401
        """The answer, a botocore `AWSResponse` whose body is still to be read, if its status is 200 or 206; else `None`.

        A server that refuses is not asked this way again: it may be in another region, or want another signature.

        Raises:
            BotoCoreError: there is no answer, or the credentials can't be renewed.
        """
        if self._base is None or self._credentials is None:
            return None
        request = AWSRequest(method, url=self._base + quote(key), headers=headers, data=body, stream_output=True)
        request.context = {"client_config": self._client.meta.config}
        frozen = self._credentials.get_frozen_credentials()
        S3SigV4Auth(frozen, "s3", self._client.meta.region_name).add_auth(request)
        answer = self._client._endpoint.http_session.send(request.prepare())  # noqa: SLF001 (its proxies, certificates, limits)
        if answer.status_code in (200, 206):
            return answer
        answer.raw.close()
        if answer.status_code < SERVER:
            self._base = None
        return None


def _base(client: Any, bucket: str) -> str | None:  # noqa: ANN401 (boto3 is untyped)
    """What the addresses of a bucket's objects begin with, in the style that the client was told to use."""
    try:
        url: str = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    except BotoCoreError:
        return None
    return url.partition("?")[0].removesuffix("k")
