"""Records to JSON bytes and back, strictly: what isn't exactly a record of a known format is refused.

A record on disk carries a seal, the SHA-256 of its own canonical JSON without the seal: bit rot in a manifest is noticed as
it is in the blobs that it names. It is no signature: whoever can write the file can seal it. Signatures, where there are any,
are over the seal and lie beside it.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from neuronbuild.artifact.action import Action, StoredAction, UnknownAction
from neuronbuild.digest import digest_json
from neuronbuild.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

Record = TypeVar("Record")

SEAL = "seal"
"""The key of a record's seal."""

SIGNATURES = "signatures"
"""The key of what builders say of a record: for each, the name of its key and the signature."""

ACTION = "action"
"""The key of the action of a manifest, which may be of another version."""

_ADAPTERS: dict[object, TypeAdapter[Any]] = {}


class DecodeError(ValueError):
    """Bytes that aren't a record of this kind; `future` says that a newer version may well read them."""

    def __init__(self, kind: str, problem: str, *, future: bool = False) -> None:
        self.future = future
        super().__init__(f"not a {kind}: {problem}")


def encode(record: object, sign: Callable[[str], dict[str, str]] | None = None) -> bytes:
    """A record as UTF-8 JSON for people and programs: keys sorted, two spaces, a newline at the end.

    `sign` turns a seal into a signature, which is added to those that the record has.
    """
    if not dataclasses.is_dataclass(record) or isinstance(record, type):
        raise TypeError(f"not a record: {record!r}")
    plain = dataclasses.asdict(record)
    action = getattr(record, ACTION, None)
    if isinstance(action, Action):
        plain[ACTION] = action.document()
    signatures = list(plain.pop(SIGNATURES, ()))
    plain[SEAL] = seal = digest_json(plain).sha256
    if sign is not None:
        signatures.append(sign(seal))
    if signatures:
        plain[SIGNATURES] = signatures
    return write_plain(plain)


def write_plain(plain: dict[str, object]) -> bytes:
    """A record that is JSON already, in the form that records have on disk."""
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def decode(kind: type[Record], data: bytes, *, newest: int) -> Record:
    """Read a record of a format up to `newest`.

    Raises:
        DecodeError: malformed, damaged, of another kind, or of a future format.
    """
    try:
        loaded = _check_format(kind, parse_json(data), newest)
        signatures = signatures_in(loaded)
        whole = unseal(loaded)
        if signatures and any(field.name == SIGNATURES for field in dataclasses.fields(kind)):  # type: ignore[arg-type]
            loaded[SIGNATURES] = signatures
        record = _validate(kind, loaded)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DecodeError(kind.__name__, f"{where}: {first['msg']}") from None
    except DecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise DecodeError(kind.__name__, str(error)) from None
    if not whole:
        raise DecodeError(kind.__name__, "it was altered or damaged: its seal doesn't fit")
    return record


def _validate(kind: type[Record], loaded: dict[str, object]) -> Record:
    """The record of a tree of JSON. An action of another version is kept as it is.

    A field of it that was passed over is noticed by the key, which is then not the digest of what was read.
    """
    try:
        return _adapter(kind).validate_json(json.dumps(loaded), strict=True)
    except ValidationError:
        action = parse_action(loaded[ACTION]) if ACTION in loaded else None
        if not isinstance(action, UnknownAction):
            raise
    return _adapter(kind).validate_json(json.dumps({**loaded, ACTION: dataclasses.asdict(action)}), strict=True)


def _check_format(kind: type[object], loaded: object, newest: int) -> dict[str, object]:
    stated = loaded.get("format") if isinstance(loaded, dict) else None
    if not isinstance(loaded, dict) or type(stated) is not int or stated < 1:
        raise DecodeError(kind.__name__, "it states no format")
    if stated > newest:
        raise DecodeError(kind.__name__, f"format {stated}, this version reads up to {newest}", future=True)
    return loaded


def unseal(loaded: dict[str, object]) -> bool:
    """Take the seal and the signatures off a loaded record, and say whether the seal fits.

    Raises:
        ValueError: the record holds what JSON has no number for.
    """
    seal = loaded.pop(SEAL, None)
    loaded.pop(SIGNATURES, None)
    return seal == digest_json(loaded).sha256


def signatures_in(loaded: dict[str, object]) -> list[dict[str, str]]:
    """The signatures that a loaded record carries, valid or not. What has another form is left out: it can be no signature."""
    found = loaded.get(SIGNATURES)
    pairs = (
        [(each.get("key"), each.get("signature")) for each in found if isinstance(each, dict)]
        if isinstance(found, list)
        else []
    )
    return [{"key": key, "signature": text} for key, text in pairs if isinstance(key, str) and isinstance(text, str)]


def decode_part(kind: type[Record], value: object) -> Record:
    """A value of JSON, as a worker sent it, to the type that it must be.

    Raises:
        DecodeError: it is something else.
    """
    try:
        record: Record = _adapter(kind).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise DecodeError("worker's answer", str(error.errors(include_url=False)[0])) from None
    return record


def parse_action(document: object) -> Action:
    """The record of an action's document that was stored.

    Raises:
        ValueError: it is no JSON object.

    >>> parse_action({"kind": "check", "format": 1, "action": "ab", "files": {}, "weights": {}}).action
    'ab'
    >>> parse_action({"kind": "link", "format": 9}).kind
    'unknown'
    """
    if not isinstance(document, dict):
        raise ValueError("an action is a JSON object")  # noqa: TRY004  # of what was read
    try:
        record: StoredAction = _adapter(cast("type[StoredAction]", StoredAction)).validate_json(
            json.dumps(document), strict=True
        )
    except ValidationError:
        return UnknownAction(document)
    return record if record.document() == document else UnknownAction(document)  # it has keys that were passed over


def _adapter(kind: type[Record]) -> TypeAdapter[Record]:
    """Making one takes milliseconds, so each is made once. Records take no keys that they don't know."""
    if kind not in _ADAPTERS:
        if dataclasses.is_dataclass(kind):
            kind.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]  # pydantic's hook for these
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
