"""The weights of a release: files bound as they are, and one derived file for what had to be converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.artifact.action import ConvertAction, action_key
from neuronbuild.artifact.codec import decode_part
from neuronbuild.artifact.header import HeaderError, read_header
from neuronbuild.artifact.manifest import FileEntry, Manifest
from neuronbuild.artifact.release_index import Binding
from neuronbuild.errors import ReleaseError
from neuronbuild.release.binding import match_constants
from neuronbuild.store.provenance import provenance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from neuronbuild.artifact.action import CompileAction
    from neuronbuild.release.request import ReleaseRequest, RunJob
    from neuronbuild.store.base import ArtifactStore

DERIVED = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Weights:
    """Where each constant's value lies in the release, which of the snapshot's files that takes, and what was derived.

    What was derived are files by path: the converted weights, and what else a checkpoint held in a form of its own.
    """

    bindings: dict[str, Binding]
    files: tuple[str, ...]
    derived: tuple[FileEntry, ...]
    omitted: tuple[str, ...]


def settle_weights(request: ReleaseRequest, manifests: Sequence[Manifest], store: ArtifactStore, run: RunJob) -> Weights:
    """Bind the constants of all graphs to the snapshot's files, converting what can't be bound; a conversion is done once.

    Where weights are compiled in there is nothing to bind.

    Raises:
        ReleaseError: the checkpoint isn't this model's, or can't be read.
    """
    first = manifests[0]
    constants = {each.name: each for manifest in manifests if manifest.signature for each in manifest.signature.constants}
    if not first.compiled.is_separate:
        return Weights({}, (), _unpacked(request, first, store, run), first.omitted)
    match = match_constants(constants.values(), _headers(request), str(first.facts.get("prefix", "")))
    files = tuple(sorted({binding.file for binding in match.bound.values()}))
    if not match.unbound:
        return Weights(match.bound, files, (), ())
    names = sorted(set(match.unbound.values()))
    converted = _convert(request, first.compiled, names, store, run)
    bindings = match.bound | {name: Binding(DERIVED, tensor) for name, tensor in match.unbound.items()}
    return Weights(bindings, files, converted.files, converted.omitted)


def _unpacked(request: ReleaseRequest, first: Manifest, store: ArtifactStore, run: RunJob) -> tuple[FileEntry, ...]:
    """Config and tokenizer of a checkpoint that holds them itself."""
    if request.model.snapshot.describes_itself:
        return ()
    converted = _convert(request, first.compiled, [], store, run)
    return tuple(entry for entry in converted.files if entry.path != DERIVED)


def _headers(request: ReleaseRequest) -> dict[str, dict[str, tuple[str, tuple[int, ...]]]]:
    model = request.model
    if not model.snapshot.weights:
        problem = f"model {model.snapshot.model} has no weights (no model.safetensors, pytorch_model.bin or .gguf)"
        raise ReleaseError(request.folder.name, problem, hint="save the model again with transformers")
    try:
        return {name: read_header(model.open_file(name)) for name in model.snapshot.weights if name.endswith(".safetensors")}
    except HeaderError as error:
        problem = f"model {model.snapshot.model}: {error}"
        raise ReleaseError(request.folder.name, problem, hint="get the model's files again") from None


def _convert(request: ReleaseRequest, action: CompileAction, names: list[str], store: ArtifactStore, run: RunJob) -> Manifest:
    """The derived file, from the store or made now. Its key holds the source's digests and everything that shapes it."""
    conversion = ConvertAction(
        model=action.model,
        dtype=action.dtype,
        compiler=action.compiler,
        toolchain=action.toolchain,
        weights={path: digest.sha256 for path, digest in request.model.snapshot.weights.items()},
        names=tuple(names),
    )
    key = action_key(conversion)
    known = store.lookup(key)
    if known is not None and store.missing(known) is None:
        return known

    def keep(folder: Path, result: Mapping[str, object], seconds: float) -> Manifest:
        entries = tuple(store.add(name, folder / name) for name in decode_part(list[str], result["files"]))
        manifest = Manifest(key, conversion, entries, provenance(seconds), facts={"omitted": result["omitted"]})
        return store.record(manifest)

    return run({"kind": "convert", "action": action.document(), "names": names}, request.model, keep)
