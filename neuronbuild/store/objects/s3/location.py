"""Locations of the form `s3://bucket/prefix?endpoint_url=...&region=...`: what they say, without the library."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from neuronbuild.errors import StoreError

logger = logging.getLogger(__name__)

SCHEME = "s3://"
HINT = "write s3://bucket/prefix, with ?endpoint_url=http://host:port&region=name where they are needed"
CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile (?profile=name)"
OPTIONS = ("endpoint_url", "region", "profile", "timeout", "addressing_style", "unsigned", "sse", "sse_kms_key_id")
CHOICES = {
    "addressing_style": ("path", "virtual"),
    "unsigned": ("true", "false"),
    "sse": ("AES256", "aws:kms", "aws:kms:dsse"),
}
PLAIN = "a plain address, http://host:port/path or https://host:port/path, with no user and no password"
ENDPOINT = re.compile(
    r"(?P<scheme>https?://)(?P<user>[^/?#]*@)?(?P<rest>([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?(/[a-z0-9_.~/+-]*)?)",
    re.IGNORECASE | re.ASCII,
)
WITH_USER = re.compile("@|%40")

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost."""


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket and a prefix (empty, or with a slash at its end), and what isn't left to boto3's own chain.

    `text` is the location as it may be shown: without passwords. `sse` and `sse_kms_key_id` are the encryption that is asked
    for with every object that is put. `unsigned`: no credentials are used, also where there are some.
    """

    text: str
    bucket: str
    prefix: str
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    timeout: float = TIMEOUT
    addressing_style: str | None = None
    unsigned: bool = False
    sse: str | None = None
    sse_kms_key_id: str | None = None


def parse_s3(location: str) -> S3Location:
    """Read a location. No message shows more of it than the bucket and the prefix: what is wrong with it may be a password.

    Raises:
        StoreError: it isn't one.
    """
    where, has_user = _parse(location)
    if has_user:
        logger.warning("store %s: the user and password of endpoint_url are not sent: %s", where.text, CREDENTIALS)
    return where


def shown_location(location: str) -> str:
    """A store's location as it may be shown: without passwords."""
    if not WITH_USER.search(location) or "://" not in location:
        return location
    try:
        return _parse(location)[0].text if location.startswith(SCHEME) else _start(location)
    except StoreError as error:
        return error.location


def plain_endpoint(url: str) -> tuple[str, bool]:
    """A server's address without a user and a password, and whether it had any: requests are signed, and carry neither.

    Raises:
        ValueError: it is no plain address. The message doesn't show it.
    """
    found = ENDPOINT.fullmatch(url)
    if found is None:
        raise ValueError(f"endpoint_url isn't {PLAIN}")
    return found["scheme"] + found["rest"], found["user"] is not None


def _parse(location: str) -> tuple[S3Location, bool]:
    """A location, and whether its endpoint had a user."""
    shown = _start(location)
    try:
        parts = urlsplit(location)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        timeout = float(options.get("timeout", TIMEOUT))
    except ValueError:
        problem = "it can't be read: options are written name=value, a timeout in seconds"
        raise StoreError(shown, problem, hint=HINT) from None
    _refuse_unknown(shown, options)
    if "@" in parts.netloc or ":" in parts.netloc:
        raise StoreError(shown, "it names no bucket that can be: a location holds no credentials", hint=CREDENTIALS)
    if not parts.netloc or parts.fragment or not timeout > 0:
        raise StoreError(shown, "it names no bucket that can be", hint=HINT)
    try:
        endpoint, has_user = plain_endpoint(options["endpoint_url"]) if "endpoint_url" in options else (None, False)
    except ValueError as error:
        raise StoreError(shown, f"it can't be read: {error}", hint=f"{HINT}; {CREDENTIALS}") from None
    prefix, key = parts.path.strip("/"), options.get("sse_kms_key_id")
    where = S3Location(
        _text(location, options, endpoint, has_user=has_user),
        parts.netloc,
        f"{prefix}/" if prefix else "",
        endpoint,
        options.get("region"),
        options.get("profile"),
        timeout,
        options.get("addressing_style"),
        options.get("unsigned") == "true",
        options.get("sse", "aws:kms" if key else None),
        key,
    )
    return where, has_user


def _start(location: str) -> str:
    """What a location begins with, up to its options. Before an `@` may stand a password, whatever it is that was written."""
    start = re.split(r"[?#]", location, maxsplit=1)[0]
    scheme, _, rest = start.partition("://")
    *hidden, last = WITH_USER.split(rest)
    return f"{scheme}://***@{last}" if hidden else start


def _text(location: str, options: dict[str, str], endpoint: str | None, *, has_user: bool) -> str:
    """A location as it may be shown, made from what was understood of it where a user stood in it."""
    if not has_user or endpoint is None:
        return location
    shown = {**options, "endpoint_url": endpoint.replace("://", "://***@", 1)}
    return f"{_start(location)}?{'&'.join(f'{name}={value}' for name, value in shown.items())}"


def _refuse_unknown(shown: str, options: dict[str, str]) -> None:
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:  # its value may be a secret that somebody takes this for the place of; so may its name, if a password was cut
        is_cut = "@" in "".join(options.values())
        problem = "it has an option that there isn't" if is_cut else f"it has no option {unknown[0]!r}"
        raise StoreError(shown, problem, hint=f"there are {', '.join(OPTIONS)}; {CREDENTIALS}")
    for name, choices in CHOICES.items():
        if options.get(name, choices[0]) not in choices:
            raise StoreError(shown, f"{options[name]!r} is no {name}", hint=f"write {name}={' or '.join(choices)}")
    if "sse_kms_key_id" in options and options.get("sse") == "AES256":
        raise StoreError(shown, "sse_kms_key_id goes with sse=aws:kms, not with AES256", hint="leave one of them out")
