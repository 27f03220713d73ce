"""The plan: every target with its action, known or not, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from neuronbuild.plan.foretold import Warned, foretold
from neuronbuild.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from neuronbuild.artifact.lowering import Lowering
    from neuronbuild.digest import ActionKey
    from neuronbuild.plan.action import KeyedAction
    from neuronbuild.plan.explain import Nearest
    from neuronbuild.plan.troubles import Trouble
    from neuronbuild.recipe.target import Target

State = Literal["hit", "miss"]

MISSING = "not in the store"
"""The reason of a miss that the store has no record of."""

NOTHING_SIMILAR = "no similar artifact is known here"

ROOM = 100
"""Characters that the explanation of a miss takes at most, unless its first difference alone takes more."""


@dataclass(frozen=True, slots=True)
class Step:
    """One target in the plan.

    `lowering` is what preflight found of it, `None` where it hasn't looked. `nearest` is the known action that a miss is most
    like, `None` where there is none, or nobody has looked.
    """

    target: Target
    action: KeyedAction
    state: State
    reason: str
    lowering: Lowering | None = None
    nearest: Nearest | None = None

    @property
    def explanation(self) -> str:
        """Why it is a hit or a miss, for people: of what the store has no record of, what there is instead."""
        if self.reason != MISSING:
            return self.reason
        head = f"{MISSING}; "
        return head + (NOTHING_SIMILAR if self.nearest is None else self.nearest.sentence(ROOM - len(head)))

    @property
    def trouble(self) -> Trouble | None:
        """What compiling it is known to run into."""
        record = self.action.record
        return foretold(record.toolchain.versions, record.model.model_type, self.target.options)

    @property
    def arguments(self) -> list[str] | None:
        """What a Neuron compiler is called with, word by word; `None` for `cpu`, whose compiler isn't called so."""
        arguments = self.action.record.compiler.arguments
        return None if arguments is None else list(arguments)

    def as_json(self) -> dict[str, object]:
        """As `plan --json` prints it."""
        return {
            **self.target.as_json(),
            "key": self.action.key,
            "state": self.state,
            "reason": self.reason,
            "nearest": self.nearest and self.nearest.as_json(),
            "arguments": self.arguments,
            "preflight": self.lowering and {"problems": list(self.lowering.problems), "notes": list(self.lowering.notes)},
        }


Changes = dict[str, tuple[str | None, str | None]]
"""Packages by name, with the version before and after; `None` where there is none."""


@dataclass(frozen=True, slots=True)
class Move:
    """What planning for another release of the SDK changes: packages by toolchain and platform, and how many steps.

    `before` is `None` where it isn't known what there was; so are the `changes` of a toolchain that isn't here. `versions` are
    those of the release that is moved to.
    """

    before: str | None
    after: str
    changes: dict[str, Changes | None]
    versions: dict[str, dict[str, str]]
    steps: int

    def as_json(self) -> dict[str, object]:
        """As `plan --sdk RELEASE --json` prints it."""
        changes = {
            name: None if each is None else {package: list(pair) for package, pair in each.items()}
            for name, each in self.changes.items()
        }
        return {"from": self.before, "to": self.after, "changes": changes, "versions": self.versions, "steps": self.steps}


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order of recipes, platforms and shapes; and what is moved, in a plan for another release of the SDK."""

    steps: tuple[Step, ...]
    move: Move | None = None

    @property
    def misses(self) -> list[Step]:
        """The steps that a build would compile."""
        return [step for step in self.steps if step.state == "miss"]

    @property
    def lowered(self) -> list[Lowering]:
        """What preflight found, of the steps that it has looked at."""
        return [step.lowering for step in self.steps if step.lowering is not None]

    def with_lowerings(self, known: Callable[[ActionKey], Lowering | None]) -> Plan:
        """The same plan with what preflight has found of its steps."""
        found = ((step, known(step.action.key)) for step in self.steps)
        return replace(self, steps=tuple(step if each is None else replace(step, lowering=each) for step, each in found))

    def with_nearest(self, find: Callable[[KeyedAction], Nearest | None]) -> Plan:
        """The same plan with what is most like each of those steps that the store has no record of."""
        steps = (replace(step, nearest=find(step.action)) if step.reason == MISSING else step for step in self.steps)
        return replace(self, steps=tuple(steps))

    @property
    def warnings(self) -> list[Warned]:
        """What those steps are known to run into, once for each recipe and platform."""
        found = Counter((step.target.recipe, step.target.options.platform, step.trouble) for step in self.misses)
        return [Warned(name, platform, each, steps) for (name, platform, each), steps in found.items() if each is not None]

    def as_json(self) -> dict[str, object]:
        """As `plan --json` prints it; `version` rises when the form changes."""
        missing = len(self.misses)
        summary = {"steps": len(self.steps), "hit": len(self.steps) - missing, "miss": missing}
        more: dict[str, object] = {} if self.move is None else {"move": self.move.as_json()}
        if warnings := self.warnings:
            more["warnings"] = [each.as_json() for each in warnings]
        return {"version": 1, "steps": [step.as_json() for step in self.steps], "summary": summary, **more}


def make_plan(actions: Iterable[tuple[Target, KeyedAction]], known: Mapping[ActionKey, str | None]) -> Plan:
    """Say of each action whether the store has it.

    `known` is the store's word on keys: absent if it has no record, `None` if the artifact is whole, else what it lacks.
    """
    return Plan(tuple(_step(target, action, known) for target, action in actions))


def _step(target: Target, action: KeyedAction, known: Mapping[ActionKey, str | None]) -> Step:
    if action.key not in known:
        return Step(target, action, "miss", MISSING)
    lack = known[action.key]
    if lack is None:
        return Step(target, action, "hit", "in the store")
    return Step(target, action, "miss", lack)


def explain_move(before: Plan, after: Plan, names: tuple[str | None, str]) -> Plan:
    """The second plan with what moving there from the first one changes: in all, and for each step that changes.

    `names` are what is moved from, `None` where that isn't known, and to. What isn't in the first plan isn't known.
    """
    had = {_place(step): step for step in before.steps}
    packages: dict[str, Changes | None] = {}
    for step in after.steps:
        if PLATFORMS[step.target.options.platform].is_neuron:
            old = had.get(_place(step))
            packages.setdefault(_toolchain(step), None if old is None else _changes(old, step))
    versions = {_toolchain(step): dict(_versions(step)) for step in after.steps if _toolchain(step) in packages}
    changed = sum(had[_place(step)].action.key != step.action.key for step in after.steps if _place(step) in had)
    steps = tuple(_moved(step, had.get(_place(step))) for step in after.steps)
    return replace(after, steps=steps, move=Move(*names, packages, versions, changed))


def _moved(step: Step, old: Step | None) -> Step:
    if step.state == "hit" or old is None or old.action.key == step.action.key:
        return step
    changes = ", ".join(f"{name} {was or 'none'} -> {now or 'none'}" for name, (was, now) in _changes(old, step).items())
    begin = "must be compiled again" if old.state == "hit" else f"{step.reason}, and to be compiled anew"
    return replace(step, reason=f"{begin}: {changes or 'other compiler options'}")


def _changes(old: Step, step: Step) -> Changes:
    was, now = _versions(old), _versions(step)
    return {name: (was.get(name), now.get(name)) for name in sorted({*was, *now}) if was.get(name) != now.get(name)}


def _versions(step: Step) -> Mapping[str, str]:
    return step.action.record.toolchain.versions


def _toolchain(step: Step) -> str:
    """What a toolchain and its platform are called."""
    options = step.target.options
    return f"{options.toolchain} for {options.platform}"


def _place(step: Step) -> tuple[object, ...]:
    target = step.target
    return target.recipe, target.model, target.task, target.graph, target.shape, target.options.platform
