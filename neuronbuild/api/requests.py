"""Releases: what one is to be made from, and what one came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.release.request import ReleaseRequest
from neuronbuild.tasks import loader_of

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.api.prepared import Prepared
    from neuronbuild.api.settings import Settings
    from neuronbuild.errors import NeuronBuildError


@dataclass(frozen=True, slots=True)
class Release:
    """One release folder; `written` is false if it was up to date."""

    recipe: str
    platform: str
    folder: Path
    written: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """One release that could not be written, though everything for it was compiled."""

    recipe: str
    platform: str
    error: NeuronBuildError

    def as_json(self) -> dict[str, object]:
        """As `apply --json` prints it."""
        error = self.error
        return {"recipe": self.recipe, "platform": self.platform, "message": error.message, "hint": error.hint}


def release_request(each: Prepared, settings: Settings, *, checked: bool) -> ReleaseRequest:
    """What the release of a prepared recipe is made from. `checked` says whether this host can run it."""
    recipe = each.located.recipe
    name = recipe.release.name or recipe.name
    return ReleaseRequest(
        recipe=recipe.name,
        name=name,
        platform=each.platform,
        task=each.subject.task.name,
        model=each.model,
        keys=tuple(action.key for _, action in each.steps),
        folder=settings.output / f"{name}-{each.platform}",
        toolchain=each.fingerprint.as_json(),
        dynamic_batch_size=recipe.dynamic_batch_size,
        link_mode=settings.link_mode,
        checked=checked,
        loader=_loader(each),
        layout=recipe.release.layout or "",
    )


def _loader(each: Prepared) -> str:
    if not each.options.exported:
        return ""
    return loader_of(each.subject.task, each.subject.family, controlnets=bool(each.located.recipe.controlnet))
