"""Where each value of an action came from: a line of a recipe, defaults, the lock, the SDK's table, or the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neuronbuild.api.wanted import wanted_of
from neuronbuild.errors import ToolchainError
from neuronbuild.recipe.paths import WORKSPACE_FILE
from neuronbuild.toolchain.sdk import SdkToolchain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from neuronbuild.api.prepare import Context
    from neuronbuild.api.prepared import Prepared
    from neuronbuild.artifact.fields import Path
    from neuronbuild.recipe.yaml_tree import Keys

LOCK = "neuronbuild.lock"
OURS = "default of neuronbuild"
CONFIG = "the model's config"
FILES = "the model's files"
FAMILY = "default of the model family"
TASK = "the task"
HERE = "installed here"

RECIPE_KEYS: tuple[tuple[Path, Keys], ...] = (
    (("task",), ("task",)),
    (("compiler", "arguments"), ("compiler",)),
    (("compiler", "dynamic_batch_size"), ("dynamic_batch_size",)),
    (("compiler", "num_cores"), ("num_cores",)),
    (("compiler",), ("compiler",)),
    (("toolchain", "name"), ("toolchain",)),
    (("toolchain", "platform"), ("platforms",)),
)
"""Keys of a recipe by the beginning of a path in an action. What a path has beyond it, the recipe's key has as well."""

OTHERWISE: tuple[tuple[Path, str], ...] = (
    (("task",), CONFIG),
    (("graph",), TASK),
    (("inputs",), "the task and these sizes"),
    (("model", "auto_class"), TASK),
    (("model", "outputs"), TASK),
    (("model", "attention"), OURS),
    (("model",), FILES),
    ((), OURS),
)
"""Where a value comes from that no recipe says, by the beginning of its path."""

LEVEL = ("march", "vector_isa", "cpu_flags")
"""Flags that `isa` of a workspace decides."""

COUNTED_FROM = {"num_labels": "id2label"}
"""Keys of a config that follow from another one."""


@dataclass(slots=True)
class Origins:
    """Of the actions of one recipe and platform."""

    context: Context
    prepared: Prepared
    _known: dict[Path, str] = field(default_factory=dict)

    def of(self, path: Path) -> str:
        """Where the value at a path of the action comes from."""
        if path not in self._known:
            self._known[path] = self._find(path)
        return self._known[path]

    def _find(self, path: Path) -> str:
        rule = next((rule for prefix, rule in RULES if path[: len(prefix)] == prefix), None)
        if rule is not None:
            return rule(self, path)
        prefix, keys = next((each for each in RECIPE_KEYS if path[: len(each[0])] == each[0]), ((), ()))
        line = self._recipe_line((*keys, *path[len(prefix) :])) if keys else None
        return line or next(text for prefix, text in OTHERWISE if path[: len(prefix)] == prefix)

    def _recipe_line(self, keys: Keys) -> str | None:
        """The line of a recipe or of its `defaults:` that says what is at some keys, or the workspace's `defaults:`."""
        line = self.prepared.located.origin(keys)
        if line is None and _holds(self.context.settings.defaults, keys):
            return f"defaults of {WORKSPACE_FILE}"
        return line

    def weights(self, path: Path) -> str:
        """Whether they are compiled in is said or not; which they are follows from the model."""
        return FILES if len(path) > 1 else self._recipe_line(("weights",)) or OURS

    def dtype(self, _: Path) -> str:
        """An exporter that goes by the checkpoint alone asks no recipe."""
        return CONFIG if self.prepared.subject.dtype is not None else self._recipe_line(("dtype",)) or OURS

    def size(self, path: Path) -> str:
        """An axis that is left out has the size that the model's config says, or the task's own."""
        axis = path[-1]
        line = self._recipe_line(("shapes", axis))
        if line is None and any(axis in point for point in self.prepared.located.recipe.shapes.include):
            line = self._recipe_line(("shapes", "include"))
        return line or (CONFIG if axis in self.prepared.subject.sizes else f"default of {TASK}")

    def config(self, path: Path) -> str:
        """What the config doesn't say is the model class's own."""
        key = path[2]
        config = self.prepared.model.config
        if key not in config and COUNTED_FROM.get(key) not in config:
            return FAMILY
        return f"{CONFIG}, as {LOCK} has it" if self._is_locked() else CONFIG

    def _is_locked(self) -> bool:
        """Whether the model is on the Hub and locked, so that nothing but the lock is read of it."""
        settings, lock = self.context.settings, self.context.lock
        if lock is None or settings.lock is None:
            return False
        locked = lock.model(wanted_of(self.prepared.located)[""].locked_as(settings.lock.parent))
        return locked is not None and locked.commit is not None

    def version(self, path: Path) -> str:
        """Pinned, locked or installed."""
        package = path[-1]
        options, settings = self.prepared.options, self.context.settings
        toolchain, fingerprint = self.context.toolchain(options.toolchain, options.platform)
        setup = settings.toolchain(options.toolchain)
        if isinstance(toolchain, SdkToolchain) and setup.sdk is not None:
            if package in setup.versions:
                return f"{WORKSPACE_FILE}, toolchains.{options.toolchain}.versions"
            return f"SDK {setup.sdk}, as neuronbuild's table has it"
        try:
            return HERE if toolchain.fingerprint(options.platform) == fingerprint else LOCK
        except ToolchainError:
            return LOCK

    def flag(self, path: Path) -> str:
        """The instruction set is this machine's, unless the workspace says another."""
        flag = path[2]
        if flag in LEVEL and self.context.settings.isa is not None:
            return f"{WORKSPACE_FILE}, isa"
        return "this machine" if flag in {*LEVEL, "machine"} else OURS


RULES: tuple[tuple[Path, Callable[[Origins, Path], str]], ...] = (
    (("weights",), Origins.weights),
    (("dtype",), Origins.dtype),
    (("shape",), Origins.size),
    (("model", "config"), Origins.config),
    (("toolchain", "versions"), Origins.version),
    (("toolchain", "flags"), Origins.flag),
)
"""Those that take more than a look into a table, by the beginning of a path."""


def _holds(defaults: Mapping[str, object], keys: Keys) -> bool:
    """Whether there is a value at some keys."""
    value: object = defaults
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True
