"""What an S3 server's refusals say: codes, messages, and what they are about. Servers have many words for one thing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError

from neuronbuild.store.objects.pages import first_words, printable

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

DENIED = frozenset({"AccessDenied", "403", "Forbidden"})
OF_ACCOUNT = {
    "NoSuchBucket", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException",
    "TokenRefreshRequired", "InvalidToken", "RequestTimeTooSkewed", "RequestExpired",
}  # fmt: skip
REGION = {
    "PermanentRedirect", "301", "307", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
    "IncorrectEndpoint", "TemporaryRedirect",
}  # fmt: skip
BUSY = {
    "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "TooManyRequestsException",
    "ServiceUnavailable", "503", "429", "RequestThrottled", "BandwidthLimitExceeded",
}  # fmt: skip
AGAIN = {"ConditionalRequestConflict", "OperationAborted", "409"}
DAMAGED = {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "IncompleteBody"}
ABSENT = {"NoSuchKey", "404", "NotFound", "NoSuchVersion", "410"}
CONDITION = {"PreconditionFailed", "412"}
NO_UPLOAD = "NoSuchUpload"
UNDERSTOOD = frozenset({*OF_ACCOUNT, *REGION, *BUSY, *AGAIN, *DAMAGED, *ABSENT, *CONDITION, NO_UPLOAD})

ARCHIVED = {"InvalidObjectState", "ObjectNotInActiveTierError"}
PATH_REFUSED = {"SecondLevelDomainForbidden", "PathStyleDomainForbidden", "VirtualHostDomainRequired"}
ABOUT_PATHS = re.compile(r"virtual.?(host|style|domain)", re.IGNORECASE)
ABOUT_KEYS = re.compile(r"\bkms\b|encryption", re.IGNORECASE)

REFUSALS = {400, 401, 403, 405}
"""HTTP statuses by which a server doesn't hand something out."""

UNSUPPORTED = {400, 405, 501}
"""HTTP statuses of what a server can't do."""

PAGE = "neuronbuild-page"
"""Where an answer keeps its status, its content type and the start of its body."""

MOST_OF_PAGE = 4096
LONGEST = 300
"""Characters of a server's message that are shown."""


class OddAnswerError(BotoCoreError):  # type: ignore[misc]  # boto3 is untyped
    """An answer without what every answer of its kind has."""

    fmt = "its answer has no {field}{page}"


def odd_answer(field: str, answer: dict[str, Any]) -> OddAnswerError:
    """An answer that has no such field, and what it is instead as far as that is known."""
    if PAGE not in answer.get("ResponseMetadata", {}):
        return OddAnswerError(field=field, page="")
    status, kind, body = answer["ResponseMetadata"][PAGE]
    page = f"; it is a page of status {status}, {printable(kind)}: {first_words(body)}"
    return OddAnswerError(field=field, page=page)


def keep_page(response_dict: dict[str, Any] | None, parsed_response: dict[str, Any] | None, **_: object) -> None:
    """Keep what an answer is that S3's own answers aren't: the page of a proxy, which the library reads as one of no fields."""
    body = (response_dict or {}).get("body")
    if response_dict is None or parsed_response is None or not isinstance(body, bytes) or not body:
        return
    kind = str(response_dict["headers"].get("content-type") or "of no content type").partition(";")[0]
    parsed_response.setdefault("ResponseMetadata", {})[PAGE] = response_dict["status_code"], kind, body[:MOST_OF_PAGE]


def code_of(error: ClientError) -> str:
    """The server's word for what is wrong; of a bodyless answer, the HTTP status."""
    response: dict[str, Any] = error.response
    code = str(response.get("Error", {}).get("Code", ""))
    return code or str(status_of(error))


def message_of(error: ClientError) -> str:
    """What else the server said of it: its message, and the header that it names, in one line."""
    named: dict[str, Any] = error.response.get("Error", {})
    text = " ".join(str(named[field]) for field in ("Message", "Header") if named.get(field))
    return printable(text)[:LONGEST]


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer."""
    response: dict[str, Any] = error.response
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def said(error: ClientError) -> str:
    """What the server said, and to what: code and message, for people; of a page that is no answer of S3's, its first words."""
    message, code = message_of(error), code_of(error)
    response: dict[str, Any] = error.response
    page = response.get("ResponseMetadata", {}).get(PAGE) if code.isdigit() else None
    shown = f"; a page that begins: {first_words(page[2])}" if page else ""
    return f"{code}{f': {message}' if message else ''}, to {error.operation_name}{shown}"


def is_path_refused(error: ClientError) -> bool:
    """Whether a server wants the bucket's name in the host."""
    return code_of(error) in PATH_REFUSED or (status_of(error) in REFUSALS and bool(ABOUT_PATHS.search(message_of(error))))


def is_of_object(error: ClientError) -> bool:
    """Whether a refusal is about one object alone, by what it says: it is archived, or encrypted with a key of others."""
    code = code_of(error)
    if code in ARCHIVED or code.startswith("KMS."):
        return True
    return may_be_of_object(error) and bool(ABOUT_KEYS.search(message_of(error)))


def may_be_of_object(error: ClientError) -> bool:
    """Whether a refusal may be about one object, and may be about the whole bucket."""
    return status_of(error) in REFUSALS and code_of(error) not in UNDERSTOOD and not is_path_refused(error)


def is_unsupported(error: ClientError) -> bool:
    """Whether a server can't do what was asked, whatever it calls that."""
    return status_of(error) in UNSUPPORTED and code_of(error) not in UNDERSTOOD
