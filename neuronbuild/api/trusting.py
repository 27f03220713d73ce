"""Whom a workspace trusts, and with what key it signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.artifact.codec import encode
from neuronbuild.errors import UsageError
from neuronbuild.memo import user_cache
from neuronbuild.store.trust import Trust, check_public_key, make_key, open_signer, public_key, signers_of

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.api.settings import Settings
    from neuronbuild.artifact.manifest import Manifest

OWN_KEY = "own.key"


def open_trust(settings: Settings) -> Trust:
    """The trust that the settings ask for.

    What this user builds is used by this user always. Where keys are trusted and there is none to sign with, that takes a
    key of this user's own, which is made then; nobody else trusts it, so nothing that only it signed is shared.

    Raises:
        UsageError: a key is none.
    """
    if settings.signing_key is None and not settings.trusted_keys:
        return Trust()
    own = settings.signing_key or _own_key(user_cache() / OWN_KEY)
    trusted, public = tuple(map(check_public_key, settings.trusted_keys)), public_key(own)
    hidden = settings.signing_key is None and public not in trusted
    return Trust((*trusted, public) if trusted else (), open_signer(own), public, hidden)


def signed_by(manifest: Manifest, trust: Trust) -> str:
    """Who signed an artifact, in a line: each key with a valid signature, and whether it is trusted here."""
    signers = signers_of(encode(manifest))
    if not signers:
        return "signed by nobody"
    return f"signed by {', '.join(f'{key} ({_standing(key, trust)})' for key in signers)}"


def _standing(key: str, trust: Trust) -> str:
    if key == trust.own:
        return "this machine's own key" if trust.hidden else "your signing key"
    if not trust.keys:
        return "no keys are required here"
    return "trusted" if key in trust.keys else "not trusted"


def _own_key(path: Path) -> Path:
    try:
        make_key(path)
    except FileExistsError:
        return path
    except OSError as error:
        raise UsageError(
            f"{path} can't be written: {error.strerror}", hint="name a `signing_key` in neuronbuild.yaml"
        ) from None
    return path
