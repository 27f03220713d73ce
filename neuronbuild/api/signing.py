"""Signing keys: where one may lie, and signing what is in a store already, which is how keys are changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.api.trusting import open_trust
from neuronbuild.artifact.manifest import Manifest
from neuronbuild.errors import UsageError
from neuronbuild.store.cas_reader import understand
from neuronbuild.store.location import open_store
from neuronbuild.store.names import list_actions, list_snapshots
from neuronbuild.store.trust import SNAPSHOT, add_signature

if TYPE_CHECKING:
    from neuronbuild.api.settings import Settings
    from neuronbuild.store.cas import CasStore


def refuse_exposed(path: Path) -> None:
    """Stop at a place for a private key that the next `git add` would take along.

    Raises:
        UsageError: the path lies in a git work tree that doesn't ignore it.
    """
    place = Path(os.path.realpath(path))
    tree = next((folder for folder in place.parents if (folder / ".git").exists()), None)
    if tree is None or _is_ignored(tree, place):
        return
    problem = f"{path} is in the git work tree {tree}, which doesn't ignore it: it could be committed"
    raise UsageError(problem, hint=f"list it in {tree / '.gitignore'} first, or name a place outside of the work tree")


def _is_ignored(tree: Path, place: Path) -> bool:
    """What git says; where it can't be asked, a file isn't ignored."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(tree), "check-ignore", "--quiet", "--", str(place)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def sign_store(settings: Settings, *, far: bool) -> tuple[int, int]:
    """Add a signature to every manifest that is trusted; gives how many were signed, and how many aren't trusted.

    Snapshots that a trusted builder signed are signed as well.

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
    _sign_snapshots(store)
    return signed, refused


def _sign_snapshots(store: CasStore) -> None:
    """Those that a trusted builder signed: nobody else's word on a licence becomes one's own."""
    for _, entry in list(list_snapshots(store.objects)):
        found = store.objects.look(entry.name)
        if found is not None and store.trust.signer is not None and store.trust.has_signed(found.data, SNAPSHOT):
            data = add_signature(found.data, store.trust.signer, SNAPSHOT)
            if data != found.data:
                store.objects.write(entry.name, data, found.tag)
