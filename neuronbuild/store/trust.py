"""Who built what: Ed25519 signatures over the seals of manifests, and the keys that are trusted.

A seal covers the whole record, its action and its key included: a manifest that was altered, or moved under another key,
has no valid signature. Private keys are read when something is signed, and go nowhere else.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuronbuild.artifact.codec import SEAL, SIGNATURES, unseal, write_plain
from neuronbuild.digest import digest_json
from neuronbuild.errors import UsageError
from neuronbuild.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLIC = "ed25519:"
"""How a public key begins as text; 32 bytes in base64 follow."""

PREAMBLE = b"neuronbuild manifest\n"
"""Stands before what is signed, so that a signature means nothing anywhere else."""

KEY_LENGTH = 32
UNTRUSTED = "no trusted builder signed it"


@dataclass(frozen=True, slots=True)
class Trust:
    """Public keys whose builds are used (none: everybody's), and what signs the builds of this process, if anything does."""

    keys: tuple[str, ...] = ()
    signer: Callable[[str], dict[str, str]] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Tells one set of trusted keys from another; empty where there are none."""
        return f"+{digest_json(sorted(self.keys)).sha256[:16]}" if self.keys else ""

    def objection(self, data: bytes) -> str | None:
        """Why the bytes of a manifest aren't to be used, or `None`."""
        if not self.keys:
            return None
        try:
            loaded: Any = parse_json(data)
            seal, signatures = loaded.get(SEAL), loaded.get(SIGNATURES, [])
            if not unseal(loaded):
                return UNTRUSTED
            trusted = any(_is_signed(str(seal), entry, self.keys) for entry in signatures)
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return UNTRUSTED
        return None if trusted else UNTRUSTED


def _is_signed(seal: str, entry: dict[str, str], keys: tuple[str, ...]) -> bool:
    if entry["key"] not in keys:
        return False
    public = _library().Ed25519PublicKey.from_public_bytes(_public_bytes(entry["key"]))
    try:
        public.verify(base64.b64decode(entry["signature"], validate=True), PREAMBLE + seal.encode())
    except importlib.import_module("cryptography.exceptions").InvalidSignature:
        return False
    return True


def add_signature(data: bytes, signer: Callable[[str], dict[str, str]]) -> bytes:
    """A manifest's bytes with one more signature; unchanged if that key has signed it already."""
    loaded = json.loads(data)
    signatures = loaded.setdefault(SIGNATURES, [])
    made = signer(loaded[SEAL])
    if any(entry.get("key") == made["key"] for entry in signatures):
        return data
    signatures.append(made)
    return write_plain(loaded)


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


def open_signer(path: Path) -> Callable[[str], dict[str, str]]:
    """What signs with a private key.

    Raises:
        UsageError: there is no such file, or it holds no key. The message never quotes it.
    """
    private = _read_private(path)
    name = _text(private.public_key())

    def sign(seal: str) -> dict[str, str]:
        return {"key": name, "signature": base64.b64encode(private.sign(PREAMBLE + seal.encode())).decode()}

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
