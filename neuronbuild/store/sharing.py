"""What may be shared: compiled code freely; weights only of models that state a licence and aren't gated, or by leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.artifact.snapshot import Snapshot

SEPARATE = "separate"


def carried_weights(manifest: Manifest) -> frozenset[str]:
    """SHA-256 of the checkpoint's files whose values are in an artifact's own: none for code compiled with weights apart."""
    weights = manifest.action.get("weights", SEPARATE)
    if not manifest.files or not isinstance(weights, dict):
        return frozenset()
    return frozenset(map(str, weights.values()))


@final
class Sharing:
    """Snapshots that are known, and the models whose weights may be shared whatever their licence says."""

    def __init__(self, allowed: Iterable[str] = (), snapshots: Iterable[Mapping[str, object]] = ()) -> None:
        self._allowed = frozenset(allowed)
        self._free: set[str] = set()
        self._bound: dict[str, str] = {}
        for loaded in snapshots:
            files = loaded.get("files")
            digests = [str(f.get("sha256")) for f in files.values() if isinstance(f, dict)] if isinstance(files, dict) else []
            licence = loaded.get("license")
            self._learn(
                str(loaded.get("model")), str(licence) if licence else None, gated=bool(loaded.get("gated")), digests=digests
            )

    def learn(self, snapshot: Snapshot) -> None:
        """Take a snapshot into account."""
        digests = [digest.sha256 for digest in snapshot.files.values()]
        self._learn(snapshot.model, snapshot.license, gated=snapshot.gated, digests=digests)

    def _learn(self, model: str, licence: str | None, *, gated: bool, digests: Iterable[str]) -> None:
        objection = self._objection(model, licence, gated=gated)
        if objection is None:
            self._free.update(digests)
        else:
            self._bound.update(dict.fromkeys(digests, objection))

    def _objection(self, model: str, licence: str | None, *, gated: bool) -> str | None:
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
