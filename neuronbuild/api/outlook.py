"""What is on record about compiling recipes for Neuron platforms, whether or not anything of it is built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neuronbuild.api.prepare import Context
from neuronbuild.api.preparing import prepare_each
from neuronbuild.plan.planner import make_plan
from neuronbuild.platforms import NEURON

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.api.settings import Settings
    from neuronbuild.plan.foretold import Warned
    from neuronbuild.recipe.located import Located


@dataclass(frozen=True, slots=True)
class Outlook:
    """Known troubles of recipes, and the names of those recipes that can't be planned: nothing is known of them."""

    warnings: list[Warned]
    unplanned: list[str]


def outlook(recipes: Iterable[Located], settings: Settings) -> Outlook:
    """Look at each recipe that is for a Neuron platform. Needs its model's config, and the versions of its toolchain.

    Raises:
        StoreError, LockError, UsageError: what the settings name can't be opened.
    """
    chosen = [located for located in recipes if not NEURON.keys().isdisjoint(located.recipe.platforms)]
    context = Context.open(replace(settings, platforms=tuple(NEURON)))
    prepared, _ = prepare_each(chosen, context)
    context.memory.save()
    warnings = make_plan((step for each in prepared for step in each.steps), {}).warnings
    planned = {each.located.recipe.name for each in prepared}
    return Outlook(warnings, [each.recipe.name for each in chosen if each.recipe.name not in planned])
