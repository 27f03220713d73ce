"""Signing what is in a store already: how keys are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.api.trusting import open_trust
from neuronbuild.artifact.manifest import Manifest
from neuronbuild.errors import UsageError
from neuronbuild.store.cas import understand
from neuronbuild.store.location import open_store
from neuronbuild.store.names import list_actions
from neuronbuild.store.trust import add_signature

if TYPE_CHECKING:
    from neuronbuild.api.settings import Settings


def sign_store(settings: Settings, *, far: bool) -> tuple[int, int]:
    """Add a signature to every manifest that is trusted; gives how many were signed, and how many aren't trusted.

    Raises:
        UsageError: there is no signing key.
        StoreError: the store can't be read or written.
    """
    if settings.signing_key is None:
        raise UsageError(
            "there is no signing key", hint="make one with `neuronbuild cache keygen FILE`, and name it in neuronbuild.yaml"
        )
    trust = open_trust(settings)
    if trust.signer is None:
        raise UsageError("there is no signing key")
    store = open_store(settings.remotes[0].location if far else settings.cache, trust)
    signed = refused = 0
    for key, entry in list(list_actions(store.objects)):
        found = store.objects.look(entry.name)
        if found is None:
            continue
        if not isinstance(understand(store, key, found.data), Manifest):
            refused += 1
            continue
        data = add_signature(found.data, trust.signer)
        if data != found.data and store.objects.write(entry.name, data, found.tag) is not None:
            signed += 1
    return signed, refused
