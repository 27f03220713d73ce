"""The numeric check of a bucket with the real weights: done once for a snapshot and an artifact, then remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.artifact.action import CheckAction, action_key
from neuronbuild.artifact.codec import decode_part
from neuronbuild.artifact.manifest import Check, Manifest
from neuronbuild.store.provenance import provenance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neuronbuild.artifact.release_index import Binding, Bucket
    from neuronbuild.release.request import ReleaseRequest, RunJob
    from neuronbuild.release.weights import Weights
    from neuronbuild.store.base import ArtifactStore


def check_bucket(
    request: ReleaseRequest,
    manifest: Manifest,
    weights: Weights,
    places: tuple[Path, Bucket],
    store: ArtifactStore,
    run: RunJob,
) -> tuple[Check, ...]:
    """Compare one bucket with eager PyTorch. `places` are the release's folder, as far as it is written, and the bucket.

    Raises:
        ReleaseError: the difference is out of tolerance.
    """
    action = CheckAction(
        action=manifest.key,
        files={entry.path: entry.digest.sha256 for entry in manifest.files},
        weights={path: digest.sha256 for path, digest in request.model.snapshot.weights.items()},
    )
    key = action_key(action)
    known = store.lookup(key)
    if known is not None:
        return known.checks

    def keep(_: Path, result: Mapping[str, object], seconds: float) -> Manifest:
        checks = decode_part(tuple[Check, ...], result["checks"])
        record = Manifest(key, action, (), provenance(seconds), checks=checks)
        return store.record(record)

    release, bucket = places
    bindings = _places(manifest, weights, release, release / bucket.folder)
    job: dict[str, object] = {
        "kind": "check",
        "action": manifest.action.document(),
        "package": str(release / bucket.file),
        "sha256": manifest.files[0].digest.sha256,
        "bindings": {name: [str(file), tensor] for name, (file, tensor) in bindings.items()},
        "omitted": list(weights.omitted),
        "tied": [list(each.tied) for each in manifest.signature.constants if len(each.tied) > 1] if manifest.signature else [],
    }
    return run(job, request.model, keep).checks


def _places(manifest: Manifest, weights: Weights, release: Path, bucket: Path) -> dict[str, tuple[Path, str]]:
    """File and tensor of every constant: the checkpoint's by binding, the config's own beside the compiled file."""
    places = {}
    for constant in manifest.signature.constants if manifest.signature else ():
        binding: Binding | None = weights.bindings.get(constant.name)
        if constant.in_artifact or binding is None:
            places[constant.name] = (bucket / "constants.safetensors", constant.name)
        else:
            places[constant.name] = (release / binding.file, binding.tensor)
    return places
