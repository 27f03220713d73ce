"""Whom a workspace trusts, and with what key it signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.errors import UsageError
from neuronbuild.source.resolve import user_cache
from neuronbuild.store.trust import Trust, check_public_key, make_key, open_signer, public_key

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.api.settings import Settings

OWN_KEY = "own.key"


def open_trust(settings: Settings) -> Trust:
    """The trust that the settings ask for.

    What this user builds is used by this user always. Where keys are trusted and there is none to sign with, that takes a
    key of this user's own, which is made then; nobody else trusts it.

    Raises:
        UsageError: a key is none.
    """
    if settings.signing_key is None and not settings.trusted_keys:
        return Trust()
    own = settings.signing_key or _own_key(user_cache() / OWN_KEY)
    trusted = tuple(map(check_public_key, settings.trusted_keys))
    return Trust((*trusted, public_key(own)) if trusted else (), open_signer(own))


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
