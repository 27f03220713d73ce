"""The plan: every target with its action, known or not, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from neuronbuild.digest import ActionKey
    from neuronbuild.plan.action import Action
    from neuronbuild.recipe.target import Target

State = Literal["hit", "miss"]


@dataclass(frozen=True, slots=True)
class Step:
    """One target in the plan."""

    target: Target
    action: Action
    state: State
    reason: str

    def as_json(self) -> dict[str, object]:
        """As `plan --json` prints it."""
        target = self.target
        return {
            "recipe": target.recipe,
            "model": target.model,
            "task": target.task,
            "platform": target.options.platform,
            "graph": target.graph,
            "shape": target.shape.as_dict(),
            "key": self.action.key,
            "state": self.state,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order of recipes, platforms and shapes."""

    steps: tuple[Step, ...]

    @property
    def misses(self) -> list[Step]:
        """The steps that a build would compile."""
        return [step for step in self.steps if step.state == "miss"]

    def as_json(self) -> dict[str, object]:
        """As `plan --json` prints it; `version` rises when the form changes."""
        missing = len(self.misses)
        summary = {"steps": len(self.steps), "hit": len(self.steps) - missing, "miss": missing}
        return {"version": 1, "steps": [step.as_json() for step in self.steps], "summary": summary}


def make_plan(actions: Iterable[tuple[Target, Action]], known: Mapping[ActionKey, str | None]) -> Plan:
    """Say of each action whether the store has it.

    `known` is the store's word on keys: absent if it has no record, `None` if the artifact is whole, else what it lacks.
    """
    return Plan(tuple(_step(target, action, known) for target, action in actions))


def _step(target: Target, action: Action, known: Mapping[ActionKey, str | None]) -> Step:
    if action.key not in known:
        return Step(target, action, "miss", "not in the store")
    lack = known[action.key]
    if lack is None:
        return Step(target, action, "hit", "in the store")
    return Step(target, action, "miss", lack)


def explain_move(before: Plan, after: Plan) -> Plan:
    """The second plan, which says of what the store has by the first one's keys why that won't do any more."""
    had = {_place(step): step for step in before.steps if step.state == "hit"}
    return Plan(tuple(_moved(step, had.get(_place(step))) for step in after.steps))


def _moved(step: Step, old: Step | None) -> Step:
    if step.state == "hit" or old is None:
        return step
    was, now = _versions(old), _versions(step)
    names = sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
    changes = [f"{name} {was.get(name, 'none')} -> {now.get(name, 'none')}" for name in names]
    return replace(step, reason=f"must be compiled again: {', '.join(changes) or 'other compiler options'}")


def _versions(step: Step) -> dict[str, object]:
    toolchain = step.action.document.get("toolchain")
    versions = toolchain.get("versions") if isinstance(toolchain, dict) else None
    return dict(versions) if isinstance(versions, dict) else {}


def _place(step: Step) -> tuple[object, ...]:
    target = step.target
    return target.recipe, target.model, target.task, target.graph, target.shape, target.options.platform
