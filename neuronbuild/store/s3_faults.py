"""What the S3 library and S3 servers say, in words that say what to do. The only other place that knows boto3's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore import exceptions as boto

from neuronbuild.errors import StoreError
from neuronbuild.store.retry import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

SIGN_IN = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run on a machine with a role"

FINAL: dict[str, tuple[str, str]] = {
    "NoSuchBucket": ("there is no such bucket", "create it, or correct the location; endpoint_url and region count too"),
    "AccessDenied": ("access is denied", "the credentials need s3:GetObject and s3:ListBucket, and s3:PutObject to share"),
    "403": ("access is denied", "the credentials need s3:GetObject and s3:ListBucket, and s3:PutObject to share"),
    "AllAccessDisabled": ("access to this bucket is disabled", "ask its owner"),
    "InvalidAccessKeyId": ("the access key is unknown there", SIGN_IN),
    "SignatureDoesNotMatch": ("the secret key doesn't fit the access key", SIGN_IN),
    "ExpiredToken": ("the session token has expired", "sign in again, then run the same command again"),
    "ExpiredTokenException": ("the session token has expired", "sign in again, then run the same command again"),
    "TokenRefreshRequired": ("the session token has expired", "sign in again, then run the same command again"),
    "InvalidToken": ("the session token isn't valid", "sign in again, then run the same command again"),
    "RequestTimeTooSkewed": (
        "this machine's clock and the server's differ too much",
        "set the clock: timedatectl set-ntp true",
    ),
    "RequestExpired": ("this machine's clock and the server's differ too much", "set the clock: timedatectl set-ntp true"),
    "NotImplemented": (
        "the server can't do what is asked",
        "use a server that speaks all of S3's multipart and range requests",
    ),
}
REGION = {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "IncorrectEndpoint"}
BUSY = {
    "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "TooManyRequestsException",
    "ServiceUnavailable", "503", "429", "RequestThrottled", "BandwidthLimitExceeded",
}  # fmt: skip
AGAIN = {"ConditionalRequestConflict", "OperationAborted", "409"}
DAMAGED = {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "IncompleteBody"}
ABSENT = {"NoSuchKey", "404", "NotFound", "NoSuchVersion"}
CONDITION = {"PreconditionFailed", "412"}

NOT_THERE = (
    boto.ConnectionError, boto.ConnectTimeoutError, boto.ReadTimeoutError, boto.ConnectionClosedError,
    boto.ResponseStreamingError, boto.IncompleteReadError, boto.HTTPClientError,
)  # fmt: skip
UNSIGNED = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError, boto.TokenRetrievalError)
SERVER = 500


def explainer(location: str) -> Callable[[Exception], Trouble | None]:
    """Explains what went wrong with requests to a place; `None` for what is nobody's fault but ours."""

    def explain(error: Exception) -> Trouble | None:
        if isinstance(error, boto.ClientError):
            return _explain_answer(location, error)
        if isinstance(error, UNSIGNED):
            return Trouble(StoreError(location, f"there are no usable credentials ({error})", hint=SIGN_IN))
        if isinstance(error, NOT_THERE):
            problem = f"it can't be reached ({_short(error)})"
            return Trouble(StoreError(location, problem, hint="check the network and endpoint_url"), outage=True)
        if isinstance(error, boto.BotoCoreError | ValueError):
            return Trouble(StoreError(location, _short(error), hint="check the location and the AWS configuration"))
        return None

    return explain


def code_of(error: boto.ClientError) -> str:
    """The server's word for what is wrong; of a bodyless answer, the HTTP status."""
    response: dict[str, Any] = error.response
    code = str(response.get("Error", {}).get("Code", ""))
    return code or str(status_of(error))


def status_of(error: boto.ClientError) -> int:
    """The HTTP status of an answer."""
    response: dict[str, Any] = error.response
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _explain_answer(location: str, error: boto.ClientError) -> Trouble:
    code, status = code_of(error), status_of(error)
    if code in FINAL:
        problem, hint = FINAL[code]
        return Trouble(StoreError(location, problem, hint=hint))
    if code in REGION:
        return Trouble(StoreError(location, "the bucket is in another region", hint=_region_hint(error)))
    if code in BUSY:
        hint = "use fewer machines or jobs at a time, then run the same command again"
        return Trouble(StoreError(location, f"the server asks to be asked more slowly ({code})", hint=hint), busy=True)
    if code in AGAIN or code in DAMAGED:
        problem = "another writer was at work" if code in AGAIN else "what arrived there was not what was sent"
        return Trouble(StoreError(location, f"{problem} ({code})", hint="run the same command again"), busy=True)
    if status >= SERVER:
        problem = f"the server failed ({code})"
        return Trouble(StoreError(location, problem, hint="run the same command again later"), outage=True)
    message = str(error.response.get("Error", {}).get("Message", ""))[:200]
    return Trouble(StoreError(location, f"the server refused a request ({code}: {message})"))


def _region_hint(error: boto.ClientError) -> str:
    response: dict[str, Any] = error.response
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region") or response.get("Error", {}).get("Region")
    where = f"region={region}" if region else "region=..."
    return f"add ?{where} to the location, or set AWS_DEFAULT_REGION"


def _short(error: Exception) -> str:
    """One line, without the addresses of objects that some messages end in."""
    cause = getattr(error, "kwargs", {}).get("error")
    text = str(cause if isinstance(cause, Exception) and str(cause) else error)
    return text.partition("object at 0x")[0].splitlines()[0][:300] if text else type(error).__name__
