"""Where things are kept and how a build runs: what a recipe doesn't say, and what no key holds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.api.consent import place_interpreter, untrusted
from neuronbuild.errors import hide_passwords
from neuronbuild.memo import user_cache
from neuronbuild.recipe.load import load_workspace
from neuronbuild.recipe.schema import Interpreter
from neuronbuild.store.lease import TTL
from neuronbuild.store.location import Remote
from neuronbuild.store.objects.s3.location import shown_location
from neuronbuild.toolchain.setup import Setup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.store.link import LinkMode

CACHE_VARIABLE = "NEURONBUILD_CACHE"
REMOTE_VARIABLE = "NEURONBUILD_REMOTE"
SIGNING_VARIABLE = "NEURONBUILD_SIGNING_KEY"
LOCK_FILE = "neuronbuild.lock"
MOST_JOBS = 4
"""Compiles at a time unless told otherwise: each takes a core and gigabytes of memory."""


def _remotes_of_environment() -> tuple[Remote, ...]:
    location = os.environ.get(REMOTE_VARIABLE)
    return (Remote(location),) if location else ()


def _path_of_environment(name: str) -> Path | None:
    text = os.environ.get(name)
    return Path(text) if text else None


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it, with defaults for the Python API: stores below the user's cache folder."""

    cache: str = field(default_factory=lambda: os.environ.get(CACHE_VARIABLE) or str(user_cache() / "store"))
    remotes: tuple[Remote, ...] = field(default_factory=_remotes_of_environment)
    output: Path = field(default_factory=lambda: user_cache() / "releases")
    jobs: int = field(default_factory=lambda: min(MOST_JOBS, os.cpu_count() or 1))
    timeout: float = 7200.0
    isa: str | None = None
    sdk: str | None = None
    interpreters: Mapping[str, Interpreter] = field(default_factory=dict)
    untrusted: Mapping[str, Path] = field(default_factory=dict)
    platforms: tuple[str, ...] | None = None
    keep_going: bool = False
    link_mode: LinkMode = "auto"
    scratch: Path = field(default_factory=user_cache)
    defaults: Mapping[str, object] = field(default_factory=dict)
    trusted_keys: tuple[str, ...] = ()
    signing_key: Path | None = field(default_factory=lambda: _path_of_environment(SIGNING_VARIABLE))
    share_weights: tuple[str, ...] = ()
    lease: float = TTL
    lock: Path | None = None
    locked: bool = False
    no_build: bool = False
    offline: bool = False

    def __repr__(self) -> str:
        """All of it, without the passwords of locations."""
        said = {one.name: getattr(self, one.name) for one in fields(self)} | {"cache": shown_location(self.cache)}
        return hide_passwords(f"Settings({', '.join(f'{name}={value!r}' for name, value in said.items())})")

    def toolchain(self, name: str) -> Setup:
        """What is said of one toolchain."""
        said = self.interpreters.get(name) or Interpreter()
        sdk, refused = said.sdk or self.sdk, self.untrusted.get(name)
        return Setup(self.scratch / "toolchains", self.isa, sdk, said.python, said.versions, refused)


def workspace_settings(folder: Path) -> Settings:
    """Settings for commands run in a folder: from its `neuronbuild.yaml`, or that of the nearest folder above.

    Raises:
        RecipeError: the file is wrong.
    """
    workspace, base = load_workspace(folder)
    settings = Settings()
    return replace(
        settings,
        cache=os.environ.get(CACHE_VARIABLE) or _place(workspace.cache or "cache", base),
        remotes=settings.remotes or tuple(Remote(_place(r.location, base), r.read_only) for r in workspace.remote),
        trusted_keys=workspace.trusted_keys,
        signing_key=settings.signing_key
        or (base / Path(workspace.signing_key).expanduser() if workspace.signing_key else None),
        share_weights=workspace.share_weights,
        lease=float(workspace.limits.lease),
        lock=base / LOCK_FILE,
        output=base / Path(workspace.output or "releases").expanduser(),
        jobs=workspace.limits.jobs or settings.jobs,
        timeout=float(workspace.limits.timeout),
        isa=workspace.isa,
        sdk=workspace.sdk,
        interpreters={name: place_interpreter(said, base) for name, said in workspace.toolchains.items()},
        untrusted=untrusted(workspace.toolchains, base),
        defaults=workspace.defaults,
    )


def _place(location: str, base: Path) -> str:
    """A store's location; folders count from a workspace's own."""
    return location if ":" in location else str(base / Path(location).expanduser())
