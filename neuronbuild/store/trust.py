"""Who built what: Ed25519 signatures over the seals of records, and the keys that are trusted.

A seal covers the whole record, its action and its key included: a manifest that was altered, or moved under another key,
has no valid signature. Snapshots and the indexes of releases are signed the same way, each kind under its own name. Private
keys are read when something is signed, and go nowhere else.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from neuronbuild.artifact.codec import SEAL, SIGNATURES, encode, signatures_in, unseal, write_plain
from neuronbuild.artifact.manifest import Signed
from neuronbuild.digest import canonical_json, digest_json
from neuronbuild.errors import UsageError
from neuronbuild.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from neuronbuild.artifact.release_index import ReleaseIndex
    from neuronbuild.artifact.snapshot import Snapshot

PUBLIC = "ed25519:"
"""How a public key begins as text; 32 bytes in base64 follow."""

MANIFEST, SNAPSHOT, RELEASE = "manifest", "snapshot", "release"
"""The kinds of records that are signed."""

KEY_LENGTH = 32
MOST_SIGNATURES = 64
"""Signatures of one record that are looked at: a record with more of them is no reason to compute for minutes."""

UNTRUSTED = "no trusted builder signed it"


class Signer(Protocol):
    """What signs with one private key."""

    def __call__(self, seal: str, kind: str = MANIFEST) -> dict[str, str]:
        """The signature of a record of that kind, with the public key."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Public keys whose builds are used (none: everybody's), and what signs the builds of this process, if anything does.

    `own` is the public key of the signer. `hidden` says that this user's machine made that key for itself: nobody else
    trusts it, so what only it signed is of no use to others.
    """

    keys: tuple[str, ...] = ()
    signer: Signer | None = field(default=None, repr=False)
    own: str = ""
    hidden: bool = False

    @property
    def name(self) -> str:
        """Tells one set of trusted keys from another; empty where there are none."""
        return f"+{digest_json(sorted(self.keys)).sha256[:16]}" if self.keys else ""

    @property
    def signs_releases(self) -> bool:
        """Whether releases are signed here: with a key that others may trust."""
        return self.signer is not None and not self.hidden

    def objection(self, data: bytes) -> str | None:
        """Why the bytes of a manifest aren't to be used, or `None`."""
        return None if not self.keys or signers_of(data, among=self.keys) else UNTRUSTED

    def has_signed(self, data: bytes, kind: str = MANIFEST) -> bool:
        """Whether a trusted key signed a record, or one's own."""
        return bool(signers_of(data, among=(*self.keys, self.own), kind=kind))

    def serves_others(self, data: bytes) -> bool:
        """Whether others could use a manifest: not if all that signed it here is a key that nobody else trusts."""
        return not self.hidden or any(key != self.own for key in signers_of(data, among=self.keys))


def signers_of(data: bytes, *, among: Container[str] | None = None, kind: str = MANIFEST) -> tuple[str, ...]:
    """The public keys with a valid signature over a sealed record; of all, or of some. None where its seal doesn't fit."""
    try:
        loaded: Any = parse_json(data)
        seal, signatures = loaded.get(SEAL), signatures_in(loaded)[:MOST_SIGNATURES]
        wanted = [each for each in signatures if among is None or each["key"] in among]
        if not wanted or not unseal(loaded):
            return ()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ()
    return tuple(dict.fromkeys(each["key"] for each in wanted if _is_valid(str(seal), each, kind)))


def _is_valid(seal: str, entry: dict[str, str], kind: str) -> bool:
    try:
        public = _library().Ed25519PublicKey.from_public_bytes(_public_bytes(entry["key"]))
        public.verify(base64.b64decode(entry["signature"], validate=True), _message(seal, kind))
    except (ValueError, importlib.import_module("cryptography.exceptions").InvalidSignature):
        return False
    return True


def _message(seal: str, kind: str) -> bytes:
    """What is signed. The kind stands before the seal, so that a signature means nothing anywhere else."""
    return f"neuronbuild {kind}\n".encode() + seal.encode()


def add_signature(data: bytes, signer: Signer, kind: str = MANIFEST) -> bytes:
    """A record's bytes with one more signature; unchanged if that key has signed it already."""
    return add_signatures(data, [signer(json.loads(data)[SEAL], kind)], kind)


def add_signatures(data: bytes, made: list[dict[str, str]], kind: str = MANIFEST) -> bytes:
    """A record's bytes with more signatures; unchanged if there are valid ones by those keys already."""
    present = signers_of(data, kind=kind)
    new = [each for each in made if each["key"] not in present]
    if not new:
        return data
    loaded = json.loads(data)
    keys = {each["key"] for each in new}
    loaded[SIGNATURES] = [each for each in signatures_in(loaded) if each["key"] not in keys] + new
    return canonical_json(loaded) if kind == SNAPSHOT else write_plain(loaded)


def missing_signatures(ours: bytes, theirs: bytes, trust: Trust) -> list[dict[str, str]]:
    """Signatures of a record that another copy of the very same record lacks: those by trusted keys, or by one's own."""
    if seal_of(ours) is None or seal_of(ours) != seal_of(theirs):
        return []
    wanted = set(signers_of(ours, among=trust.keys or (trust.own,))) - ({trust.own} if trust.hidden else set())
    lacking = wanted.difference(signers_of(theirs))
    return [each for each in signatures_in(json.loads(ours)) if each["key"] in lacking]


def seal_of(data: bytes) -> str | None:
    """The seal that a record states, or `None` if it is no record. Equal seals that fit mean the same record."""
    try:
        seal = json.loads(data).get(SEAL)
    except (ValueError, AttributeError, RecursionError):
        return None
    return seal if isinstance(seal, str) else None


def sign_index(index: ReleaseIndex, trust: Trust) -> ReleaseIndex:
    """A release's index with the signature of who writes it, if there is one that others may trust."""
    if trust.signer is None or trust.hidden:
        return index
    return replace(index, signatures=(Signed(**trust.signer(str(seal_of(encode(index))), RELEASE)),))


def encode_snapshot(snapshot: Snapshot, signer: Signer | None) -> bytes:
    """A snapshot as it is stored: canonical JSON, sealed and signed if there is a signer."""
    plain: dict[str, object] = snapshot.as_json()
    if signer is not None:
        seal = digest_json(plain).sha256
        plain |= {SEAL: seal, SIGNATURES: [signer(seal, SNAPSHOT)]}
    return canonical_json(plain)


def snapshot_identity(loaded: Mapping[str, object]) -> dict[str, object]:
    """What of a stored snapshot its name is the digest of."""
    return {name: value for name, value in loaded.items() if name not in {"license", "gated", SEAL, SIGNATURES}}


def make_key(path: Path) -> str:
    """Write a new private key, which only its owner may read, and give its public key.

    Raises:
        OSError: the file is there already, or can't be written.
    """
    private = _library().Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)  # for its owner alone from the start
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64encode(private.private_bytes_raw()) + b"\n")
        os.link(temporary, path)
    finally:
        Path(temporary).unlink()
    return _text(private.public_key())


def open_signer(path: Path) -> Signer:
    """What signs with a private key.

    Raises:
        UsageError: there is no such file, or it holds no key. The message never quotes it.
    """
    private = _read_private(path)
    name = _text(private.public_key())

    def sign(seal: str, kind: str = MANIFEST) -> dict[str, str]:
        return {"key": name, "signature": base64.b64encode(private.sign(_message(seal, kind))).decode()}

    return sign


def public_key(path: Path) -> str:
    """The public key that belongs to a private one, as text.

    Raises:
        UsageError: as `open_signer`.
    """
    return _text(_read_private(path).public_key())


def check_public_key(text: str) -> str:
    """Let a public key through.

    Raises:
        UsageError: it is none.
    """
    try:
        _public_bytes(text)
    except ValueError:
        raise UsageError(
            f"{text[:80]!r} is no public key", hint="`neuronbuild cache keygen FILE` prints one: ed25519:..."
        ) from None
    return text


def _public_bytes(text: str) -> bytes:
    raw = base64.b64decode(text.removeprefix(PUBLIC), validate=True)
    if not text.startswith(PUBLIC) or len(raw) != KEY_LENGTH:
        raise ValueError("not a public key")
    return raw


def _read_private(path: Path) -> Any:  # noqa: ANN401 (a class of the library's)
    hint = "`neuronbuild cache keygen FILE` makes one"
    try:
        raw = base64.b64decode(path.read_bytes().strip(), validate=True)
        return _library().Ed25519PrivateKey.from_private_bytes(raw)
    except OSError as error:
        raise UsageError(f"the signing key {path} can't be read: {error.strerror}", hint=hint) from None
    except ValueError:
        raise UsageError(f"{path} holds no signing key", hint=hint) from None


def _text(public: Any) -> str:  # noqa: ANN401
    return PUBLIC + base64.b64encode(public.public_bytes_raw()).decode()


def _library() -> Any:  # noqa: ANN401
    """Imported where keys are used: it takes 30 ms."""
    return importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
