"""What can be said of recipes without a look into any model: grids, folders that aren't there, and compiler options."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from neuronbuild.api.wanted import wanted_of
from neuronbuild.artifact.action import ModelPart
from neuronbuild.errors import SourceError, ToolchainError
from neuronbuild.platforms import PLATFORMS
from neuronbuild.recipe.grid import grid_issues, options_for
from neuronbuild.recipe.options import blamed
from neuronbuild.sdks import EXPORTERS, SDKS
from neuronbuild.source.resolve import refuse_missing
from neuronbuild.tasks import TASKS
from neuronbuild.toolchain.base import OptionError
from neuronbuild.toolchain.registry import open_toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from neuronbuild.api.settings import Settings
    from neuronbuild.errors import Issue
    from neuronbuild.recipe.located import Located

EXTRA = ("compiler", "extra_args")

NEWEST = {"optimum": next(iter(EXPORTERS))}
"""The release whose flags are known, where a toolchain isn't made for the newest and none is pinned."""


def validate(recipes: Sequence[Located], settings: Settings) -> list[Issue]:
    """Everything that is wrong. Starts no interpreter: without a pinned SDK, flags are those of the newest one."""
    return [
        *grid_issues(recipes),
        *(issue for located in recipes for issue in (*_missing(located), *_options(located, settings))),
    ]


def _missing(located: Located) -> Iterator[Issue]:
    """Models in folders and packages that aren't there."""
    for wanted in wanted_of(located).values():
        try:
            refuse_missing(wanted.reference, wanted.base)
        except SourceError as error:
            hint = f" ({error.hint})" if error.hint else ""
            yield located.issue(wanted.keys, f"{error.message}{hint}")


def _options(located: Located, settings: Settings) -> Iterator[Issue]:
    """Options that a Neuron compiler can't be given. Without a task only its flags are looked at: the rest may depend on it."""
    recipe = located.recipe
    task = TASKS[recipe.task or "feature-extraction"]
    model = ModelPart(task.auto_class, {"model_type": ""})
    told: set[str] = set()
    for platform in recipe.platforms:
        options = options_for(recipe, platform, task.name)
        if not PLATFORMS[platform].is_neuron:
            continue
        setup = settings.toolchain(options.toolchain)
        pinned = replace(setup, sdk=setup.sdk or NEWEST.get(options.toolchain) or _newest())
        try:
            open_toolchain(options.toolchain, platform, pinned).options(options, model)
        except OptionError as error:
            if str(error) not in told and (recipe.task or error.keys == EXTRA):
                told.add(str(error))
                yield located.issue(blamed(located, error.keys), str(error))
        except ToolchainError:
            continue  # the pinned release has none of this kind: `plan` tells it, with what to do


def _newest() -> str:
    """The newest release that compiles without a device."""
    return next(release for release, sdk in SDKS.items() if sdk.torch_neuronx)
