"""A client of the S3 library for one bucket, in the dialect of its server."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, final

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import create_loader

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.s3.answers import is_unsupported, keep_page, odd_answer
from neuronbuild.store.objects.s3.dialect import Dialect
from neuronbuild.store.objects.s3.location import PLAIN, plain_endpoint
from neuronbuild.store.objects.s3.plain import PlainRequests

if TYPE_CHECKING:
    from botocore.loaders import Loader

    from neuronbuild.store.objects.s3.location import S3Location

CONNECTIONS = 32
AMAZON = "amazonaws.com"
CHECKSUM = "x-amz-checksum-sha256"
ENCRYPTION = "x-amz-server-side-encryption"
ENCRYPTION_KEY = "x-amz-server-side-encryption-aws-kms-key-id"
ENCRYPTED = {"put_object", "create_multipart_upload"}
"""Methods that make an object, and so say how it is encrypted."""

LISTED = {"IsTruncated", "Contents", "Name", "Prefix", "MaxKeys"}
"""Some of what every listing says."""


@final
class Connection:
    """A client, and the quicker way for small requests beside it."""

    def __init__(self, where: S3Location, session: boto3.session.Session, dialect: Dialect | None = None) -> None:
        """Open it, by boto3's own chain of credentials and configuration.

        Raises:
            BotoCoreError, ValueError: the configuration can't be used.
        """
        self._where = where
        self.dialect = dialect or first_dialect(where, session)
        self.client = open_client(where, session, self.dialect)
        credentials = None if self.dialect.unsigned else session.get_credentials()
        self.plain = PlainRequests(self.client, credentials, where.bucket)

    def ask(self, verb: str, key: str, /, **arguments: object) -> Any:  # noqa: ANN401 (boto3 makes its classes at run time)
        """One of the client's methods on one object, with what the bucket demands and without what its server refuses."""
        fitted = {**arguments, **(self.encryption() if verb in ENCRYPTED else {})}
        if not self.dialect.checksums:
            fitted = _without_checksums(fitted)
        return getattr(self.client, verb)(Bucket=self._where.bucket, Key=key, **fitted)

    def list(self, *, second: bool = True, **arguments: object) -> Any:  # noqa: ANN401
        """A page of a listing, by ListObjectsV2 if `second` and the server knows it."""
        second = second and self.dialect.second_listing
        method = self.client.list_objects_v2 if second else self.client.list_objects
        page = method(Bucket=self._where.bucket, **arguments)
        if not LISTED.intersection(page):  # the library takes any XML: the page of a proxy would be a bucket with nothing in it
            raise odd_answer("listing", page)
        return page

    def list_uploads(self, **arguments: object) -> Any:  # noqa: ANN401
        """A page of the uploads in parts that are under way; one of none if the server can't list them."""
        try:
            return self.client.list_multipart_uploads(Bucket=self._where.bucket, **arguments)
        except ClientError as error:
            if is_unsupported(error):
                return {}
            raise

    def encryption(self) -> dict[str, object]:
        """Arguments of a method that makes an object."""
        said = {"ServerSideEncryption": self._where.sse, "SSEKMSKeyId": self._where.sse_kms_key_id}
        return {name: value for name, value in said.items() if value is not None}

    def put_headers(self, checksum: str) -> dict[str, str]:
        """The same for a plain request, with the SHA-256 of the body in base64."""
        said = {ENCRYPTION: self._where.sse, ENCRYPTION_KEY: self._where.sse_kms_key_id}
        said[CHECKSUM] = checksum if self.dialect.checksums else None
        return {name: value for name, value in said.items() if value is not None}


def open_session(where: S3Location) -> boto3.session.Session:
    """A session of boto3's own, but for botocore's description of S3: that is read once a process, and is most of the work.

    Raises:
        BotoCoreError: the profile isn't there.
    """
    plain = botocore.session.get_session()
    session = boto3.session.Session(profile_name=where.profile, botocore_session=plain)
    plain.register_component("data_loader", _loader(plain.get_config_variable("data_path")))
    return session


@functools.cache
def _loader(path: str | None) -> Loader:
    return create_loader(path)


def first_dialect(where: S3Location, session: boto3.session.Session) -> Dialect:
    """What to begin with: as the location or the profile says, or as the endpoint suggests. Without credentials, unsigned."""
    unsigned = where.unsigned or session.get_credentials() is None
    said = where.addressing_style or _of_profile(session)
    if said in {"path", "virtual"}:
        return Dialect(said == "virtual", unsigned)
    dialect = Dialect(virtual=True, unsigned=unsigned)
    endpoint = open_client(where, session, dialect).meta.endpoint_url
    # Servers of one's own seldom have a host name for each bucket, and Amazon's certificates don't cover dots.
    return Dialect(AMAZON in endpoint and "." not in where.bucket, unsigned)


def _of_profile(session: boto3.session.Session) -> object:
    said = session._session.get_scoped_config().get("s3")  # noqa: SLF001 (boto3 has no door to it)
    return said.get("addressing_style") if isinstance(said, dict) else None


def open_client(where: S3Location, session: boto3.session.Session, dialect: Dialect) -> Any:  # noqa: ANN401
    """A client with our own retries, and no checksums but our own.

    Raises:
        BotoCoreError, ValueError: the configuration can't be used.
        StoreError: the environment or the profile names an endpoint that is none.
    """
    config = Config(
        connect_timeout=min(5.0, where.timeout),
        read_timeout=where.timeout,
        max_pool_connections=CONNECTIONS,
        retries={"total_max_attempts": 1},
        signature_version=UNSIGNED if dialect.unsigned else "s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        tcp_keepalive=True,
        s3={
            # A body's SHA-256 is in a signed header already, where the server takes that.
            "payload_signing_enabled": not dialect.checksums,
            "addressing_style": "virtual" if dialect.virtual else "path",
        },
    )
    region = where.region or session.region_name or "us-east-1"
    try:
        client = session.client("s3", config=config, endpoint_url=where.endpoint_url, region_name=region)
        endpoint, has_user = plain_endpoint(client.meta.endpoint_url)  # the environment and the profile may name one, too
        if has_user:
            client = session.client("s3", config=config, endpoint_url=endpoint, region_name=region)
    except ValueError as error:
        if "endpoint" not in str(error):
            raise
        hint = "set AWS_ENDPOINT_URL, or endpoint_url in the profile, as an address without a user and a password"
        raise StoreError(
            where.text, f"the endpoint that the environment or the profile names isn't {PLAIN}", hint=hint
        ) from None
    client.meta.events.register("response-received.s3", keep_page)
    return client


def _without_checksums(arguments: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in arguments.items() if not name.startswith("Checksum")}
    upload = kept.get("MultipartUpload")
    if upload is not None:
        kept["MultipartUpload"] = {"Parts": [_without_checksums(part) for part in upload["Parts"]]}
    return kept
