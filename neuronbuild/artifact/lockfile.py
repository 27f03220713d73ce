"""`neuronbuild.lock`: what a team builds from, pinned. With it, keys can be planned with no model, compiler or network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import Digest
from neuronbuild.files import check_names

FORMAT = 1


@dataclass(frozen=True, slots=True)
class LockedModel:
    """A model as recipes name it, and what that was.

    `folder` is where a relative path counts from, itself relative to the lock. `documents` are the model's JSON files that
    planning reads. `subjects` are the digests of the models' parts in actions: what a prune keeps.
    """

    model: str
    revision: str | None
    folder: str
    commit: str | None
    files: dict[str, Digest]
    documents: dict[str, object]
    subjects: tuple[str, ...] = ()
    license: str | None = None
    gated: bool = False

    def __post_init__(self) -> None:
        check_names(self.files)

    @property
    def name(self) -> tuple[str, str | None, str]:
        """What recipes and locks find each other by."""
        return self.model, self.revision, self.folder

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that was locked."""
        return Snapshot(self.model, self.commit, self.files, self.license, self.gated)


@dataclass(frozen=True, slots=True)
class LockedToolchain:
    """The fingerprint of the toolchain for a platform."""

    toolchain: str
    platform: str
    versions: dict[str, str]
    flags: dict[str, object]

    @property
    def fingerprint(self) -> Fingerprint:
        """As it stands in actions."""
        return Fingerprint(self.toolchain, self.platform, self.versions, self.flags)


@dataclass(frozen=True, slots=True)
class LockFile:
    """All of a lock. It carries no seal: people merge it."""

    models: tuple[LockedModel, ...] = ()
    toolchains: tuple[LockedToolchain, ...] = field(default=())
    format: int = FORMAT

    def model(self, name: tuple[str, str | None, str]) -> LockedModel | None:
        """What a name was locked to."""
        return next((model for model in self.models if model.name == name), None)

    def fingerprint(self, toolchain: str, platform: str) -> Fingerprint | None:
        """What a platform's toolchain was locked to."""
        named = (each for each in self.toolchains if (each.toolchain, each.platform) == (toolchain, platform))
        return next((each.fingerprint for each in named), None)

    def as_json(self) -> dict[str, object]:
        """As it is written: sorted, so that equal locks are equal files."""
        models = sorted(self.models, key=lambda model: (model.model, model.revision or "", model.folder))
        toolchains = sorted(self.toolchains, key=lambda toolchain: (toolchain.platform, toolchain.toolchain))
        return {"format": self.format, "models": [asdict(m) for m in models], "toolchains": [asdict(t) for t in toolchains]}


def locked_toolchain(fingerprint: Fingerprint) -> LockedToolchain:
    """A fingerprint as a lock holds it."""
    versions: Mapping[str, str] = fingerprint.versions
    return LockedToolchain(fingerprint.name, fingerprint.platform, dict(versions), dict(fingerprint.flags))
