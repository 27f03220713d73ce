"""A recipe, resolved: what plans, locks and releases are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuronbuild.artifact.fingerprint import Fingerprint
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.plan.action import KeyedAction
    from neuronbuild.plan.subject import Subject
    from neuronbuild.recipe.located import Located
    from neuronbuild.recipe.target import Options, Target


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recipe for one platform, with everything known that its release needs."""

    located: Located
    options: Options
    model: Model
    subject: Subject
    fingerprint: Fingerprint
    steps: tuple[tuple[Target, KeyedAction], ...]

    @property
    def platform(self) -> str:
        """What it is compiled for."""
        return self.options.platform
