"""What may be shared: compiled code freely; weights only of models that state a licence and aren't gated, or by leave.

What frees weights is what this machine saw of a model itself, or the snapshot of a trusted builder: anybody could have put any
other snapshot into a store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from neuronbuild.files import parse_json
from neuronbuild.memo import Memo
from neuronbuild.store.names import action_name, list_snapshots
from neuronbuild.store.trust import SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.artifact.snapshot import Snapshot
    from neuronbuild.digest import ActionKey
    from neuronbuild.store.cas import CasStore

HEARSAY = (
    "the weights of {model} aren't shared: only a snapshot that no trusted builder signed says what may be done with them "
    "(name the recipes of the model, so that it is looked at here)"
)

KEPT = (
    "what is built here isn't shared: it is signed with a key of this machine's own, which nobody else trusts (make one with "
    "`neuronbuild cache keygen FILE`, and name it as `signing_key` in neuronbuild.yaml)"
)


def carried_weights(manifest: Manifest) -> frozenset[str]:
    """SHA-256 of the checkpoint's files whose values are in an artifact's own: none for code compiled with weights apart."""
    return frozenset(manifest.action.checkpoint.values()) if manifest.files else frozenset()


def kept_here(store: CasStore, key: ActionKey) -> str | None:
    """Why an artifact would be of no use to others, or `None`."""
    if not store.trust.hidden:
        return None
    return None if store.trust.serves_others(store.objects.read(action_name(key)) or b"") else KEPT


@final
class SharingPolicy:
    """Models that are known, and those whose weights may be shared whatever their licence says.

    `memory` is a file that keeps what this machine has seen of models; without one it lasts as long as the process.
    """

    def __init__(self, allowed: Iterable[str] = (), memory: Path | None = None) -> None:
        self._allowed = frozenset(allowed)
        self._memo = Memo(memory, _is_entry)
        self._vouched: list[list[object]] = []
        self._heard: dict[str, str] = {}
        self._free: set[str] = set()
        self._bound: dict[str, str] = {}
        self._recount()

    def learn(self, snapshot: Snapshot) -> None:
        """Take a snapshot into account that was made here, from the model itself, and remember it.

        One that says nothing (the Hub wasn't asked) takes back nothing that is remembered.
        """
        name, digests = snapshot.digest.sha256, [digest.sha256 for digest in snapshot.files.values()]
        entry: list[object] = [snapshot.model, snapshot.license, snapshot.gated, *digests]
        says_nothing = snapshot.license is None and not snapshot.gated
        if self._memo.get(name) != entry and not (says_nothing and self._memo.get(name)):
            self._memo.put(name, entry)
            self._memo.save()
            self._recount()

    def hear(self, store: CasStore) -> None:
        """Take the snapshots of a store into account: those of trusted builders as one's own, others for what they forbid."""
        for data in _snapshots(store):
            try:
                loaded: Any = parse_json(data)
                entry = [str(loaded["model"]), loaded.get("license"), bool(loaded.get("gated"))]
                digests = [str(file["sha256"]) for file in loaded["files"].values()]
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue  # damage is for `cache verify` to tell
            if store.trust.has_signed(data, SNAPSHOT):
                self._vouched.append([*entry, *digests])
            else:
                why = self._objection(*entry) or HEARSAY.format(model=entry[0])
                self._heard.update(dict.fromkeys(digests, why))
        self._recount()

    def _recount(self) -> None:
        """What is free, and why the rest isn't. What this machine knows says more than what it has only heard."""
        self._free, self._bound = set(), dict(self._heard)
        for model, licence, gated, *digests in (*self._vouched, *self._memo.values()):
            objection = self._objection(model, licence, gated)
            if objection is None:
                self._free.update(map(str, digests))
            else:
                self._bound.update(dict.fromkeys(map(str, digests), objection))

    def _objection(self, model: object, licence: object, gated: object) -> str | None:
        if model in self._allowed or (licence and not gated):
            return None
        why = "it is gated" if gated else "it states no licence"
        return f"the weights of {model} aren't shared: {why} (allow it with `share_weights: [{model}]` in neuronbuild.yaml)"

    def objection(self, manifest: Manifest) -> str | None:
        """Why an artifact isn't to be shared, or `None`."""
        return self.objection_to(carried_weights(manifest))

    def objection_to(self, digests: Iterable[str]) -> str | None:
        """The same for files by SHA-256. What is part of a free model as well is free."""
        for digest in digests:
            if digest not in self._free:
                return self._bound.get(digest, "weights of a model that isn't known here aren't shared")
        return None


def _snapshots(store: CasStore) -> Iterator[bytes]:
    for _, entry in list_snapshots(store.objects):
        data = store.objects.read(entry.name)
        if data is not None:
            yield data


def _is_entry(entry: object) -> bool:
    """A model's name, its licence, whether it is gated, and digests of files."""
    known = 3
    return (
        isinstance(entry, list)
        and len(entry) >= known
        and isinstance(entry[1], str | None)
        and all(isinstance(each, str) for each in (entry[0], *entry[known:]))
    )
