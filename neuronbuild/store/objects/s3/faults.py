"""What the S3 library and S3 servers say, in words that say what to do. What a server said is part of every message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, final

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from neuronbuild.errors import StoreBusyError, StoreError, StoreOutageError
from neuronbuild.store.objects.backend import UploadGoneError
from neuronbuild.store.objects.pages import first_words, printable
from neuronbuild.store.objects.s3.answers import (
    AGAIN,
    BUSY,
    DAMAGED,
    DENIED,
    LONGEST,
    NO_UPLOAD,
    REGION,
    OddAnswerError,
    code_of,
    is_path_refused,
    said,
    status_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from neuronbuild.store.objects.s3.location import S3Location

SIGN_IN = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run on a machine with a role"
SIGN_IN_AGAIN = "sign in again, then run the same command again"
SET_CLOCK = "set the clock: timedatectl set-ntp true"
RIGHTS = "the credentials need s3:GetObject and s3:ListBucket, and s3:PutObject to share"
MAY_WRITE = (
    f"{RIGHTS}; a bucket whose policy demands encryption takes sse=aws:kms (and sse_kms_key_id) in the location; "
    "a store that is only to be read is one with `read_only: true`"
)

FINAL: dict[str, tuple[str, str]] = {
    "NoSuchBucket": ("there is no such bucket", "create it, or correct the location; endpoint_url and region count too"),
    "AllAccessDisabled": ("access to this bucket is disabled", "ask its owner"),
    "InvalidAccessKeyId": ("the access key is unknown there", SIGN_IN),
    "SignatureDoesNotMatch": ("the secret key doesn't fit the access key", SIGN_IN),
    "ExpiredToken": ("the session token has expired", SIGN_IN_AGAIN),
    "ExpiredTokenException": ("the session token has expired", SIGN_IN_AGAIN),
    "TokenRefreshRequired": ("the session token has expired", SIGN_IN_AGAIN),
    "InvalidToken": ("the session token isn't valid", SIGN_IN_AGAIN),
    "RequestTimeTooSkewed": ("this machine's clock and the server's differ too much", SET_CLOCK),
    "RequestExpired": ("this machine's clock and the server's differ too much", SET_CLOCK),
}

NOT_THERE = (
    boto.ConnectionError, boto.ConnectTimeoutError, boto.ReadTimeoutError, boto.ConnectionClosedError,
    boto.ResponseStreamingError, boto.IncompleteReadError, boto.HTTPClientError,
)  # fmt: skip
UNSIGNED = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError, boto.TokenRetrievalError)
DENIALS = {401, 403}
SERVER = 500
NOT_IMPLEMENTED = 501


class _Rule(NamedTuple):
    """What some answers mean: in words, with a hint, and whether to ask again."""

    applies: Callable[[boto.ClientError], bool]
    problem: str
    hint: str
    outage: bool = False
    busy: bool = False


RULES = (
    _Rule(
        is_path_refused,
        "the server takes a bucket's name in the host only",
        "add addressing_style=virtual to the location, and name the host in endpoint_url, not its IP address",
    ),
    _Rule(
        lambda error: code_of(error) in BUSY,
        "the server asks to be asked more slowly",
        "use fewer machines or jobs at a time, then run the same command again",
        busy=True,
    ),
    _Rule(lambda error: code_of(error) in AGAIN, "another writer was at work", "run the same command again", busy=True),
    _Rule(
        lambda error: code_of(error) in DAMAGED,
        "what arrived there was not what was sent",
        "run the same command again",
        busy=True,
    ),
    _Rule(
        lambda error: status_of(error) == NOT_IMPLEMENTED or code_of(error) == "NotImplemented",
        "the server can't do what is asked",
        "docs/recipes.md (Sharing a store) says what a server must be able to do",
    ),
    _Rule(lambda error: status_of(error) >= SERVER, "the server failed", "run the same command again later", outage=True),
    _Rule(lambda _: True, "the server refused a request", "check the location: bucket, endpoint_url and region"),
)
"""The first that applies counts, after codes with a meaning of their own, regions and rights."""


@final
class Explainer:
    """Explains what went wrong with requests to a place; `None` for what is nobody's fault but ours."""

    def __init__(self, where: S3Location) -> None:
        self.unsigned = where.unsigned
        self._where = where

    def __call__(self, error: Exception) -> StoreError | None:
        """What a failed request means."""
        location = self._where.text
        if isinstance(error, boto.ClientError):
            return self._explain_answer(error)
        if isinstance(error, UNSIGNED):
            return StoreError(location, f"there are no usable credentials ({error})", hint=SIGN_IN)
        if isinstance(error, NOT_THERE):
            problem = f"it can't be reached ({_short(error)})"
            return StoreOutageError(location, StoreError(location, problem, hint="check the network and endpoint_url"))
        if isinstance(error, ResponseParserError | OddAnswerError):
            hint = "check endpoint_url: what answers there is no S3 server, or doesn't do all that is asked of one"
            page = first_words(str(error).partition("\n")[2].encode()) if isinstance(error, ResponseParserError) else ""
            problem = f"its answer is none of S3's ({_short(error)}{f' {page}' if page else ''})"
            odd = StoreError(location, problem, hint=hint)
            return StoreOutageError(location, odd) if isinstance(error, ResponseParserError) else odd
        if isinstance(error, boto.BotoCoreError | ValueError):
            return StoreError(location, _short(error), hint="check the location and the AWS configuration")
        return None

    def _explain_answer(self, error: boto.ClientError) -> StoreError:
        code = code_of(error)
        if code in FINAL:
            return self._error(error, *FINAL[code])
        if code in REGION:
            return self._error(error, "the bucket is in another region", _region_hint(error))
        if code == NO_UPLOAD:
            problem = f"an upload was ended by another command ({said(error)})"
            return UploadGoneError(self._where.text, problem, hint="run the same command again")
        if (code in DENIED or status_of(error) in DENIALS) and not is_path_refused(error):
            return self._denial(error)
        rule = next(rule for rule in RULES if rule.applies(error))
        explained = self._error(error, rule.problem, rule.hint)
        if rule.busy:
            return StoreBusyError(self._where.text, explained.problem, hint=rule.hint)
        return StoreOutageError(self._where.text, explained) if rule.outage else explained

    def _denial(self, error: boto.ClientError) -> StoreError:
        if self._where.unsigned:
            return self._error(error, "access is denied without credentials", "sign in, and leave unsigned=true out")
        if self.unsigned:
            return self._error(error, "access is denied, and there are no usable credentials", SIGN_IN)
        if error.operation_name.startswith("List"):
            return self._error(error, "access is denied: the objects may not be listed", RIGHTS)
        reads = error.operation_name.startswith(("Get", "Head"))
        return self._error(error, "access is denied", RIGHTS if reads else MAY_WRITE)

    def _error(self, error: boto.ClientError, problem: str, hint: str) -> StoreError:
        return StoreError(self._where.text, f"{problem} ({said(error)})", hint=hint)


def _region_hint(error: boto.ClientError) -> str:
    response: dict[str, Any] = error.response
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    named = response.get("Error", {})
    region = headers.get("x-amz-bucket-region") or named.get("Region")
    where = f"region={region}" if region else "region=..."
    endpoint = f"; its endpoint is {named['Endpoint']}" if named.get("Endpoint") else ""
    return f"add ?{where} to the location, or set AWS_DEFAULT_REGION{endpoint}"


def _short(error: Exception) -> str:
    """One line, without the addresses of objects that some messages end in."""
    cause = getattr(error, "kwargs", {}).get("error")
    text = str(cause if isinstance(cause, Exception) and str(cause) else error)
    return printable(text.partition("object at 0x")[0].splitlines()[0])[:LONGEST] if text else type(error).__name__
