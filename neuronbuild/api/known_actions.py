"""The actions that the local store has a record of, for saying what a miss is most like.

What is needed of each is remembered in a file of the store, so that no plan reads the same manifest twice. An action proves
itself: its key is its digest. It explains, and is neither used nor trusted otherwise.
"""

from __future__ import annotations

import contextlib
import heapq
from typing import TYPE_CHECKING, final

from neuronbuild.artifact.action import CompileAction
from neuronbuild.artifact.codec import parse_action
from neuronbuild.digest import ActionKey, canonical_json, digest_bytes, digest_json
from neuronbuild.errors import StoreError
from neuronbuild.files import parse_json
from neuronbuild.memo import Memo
from neuronbuild.plan.action import OWN, common_part
from neuronbuild.plan.nearest import KnownAction, NearestActions
from neuronbuild.plan.planner import MISSING
from neuronbuild.store.names import action_name, list_actions

if TYPE_CHECKING:
    from neuronbuild.plan.planner import Plan
    from neuronbuild.store.base import ArtifactReader
    from neuronbuild.store.objects.base import ObjectStore

FILE = "actions.json"
"""In the folder of the local store."""

MOST = 1000
"""Artifacts that misses are compared with: those that were used last."""

LONGEST = 1 << 16
"""Characters of what the actions of a grid share: a model of hundreds of files takes half of it."""

LENGTHS = (0, 1, 3)
"""Of an entry: of an action that can't be compared; of what the actions of a grid share (its text); of an action (the digest of
what is shared, graph, sizes)."""


def explain_misses(plan: Plan, store: ArtifactReader) -> Plan:
    """The plan with the known action that each miss is most like. Only a store in a folder is looked at."""
    file = store.objects.local_path(FILE)
    if file is None or all(step.reason != MISSING for step in plan.misses):
        return plan
    known = KnownActions(store.objects, Memo(file, _is_sound))
    return plan.with_nearest(NearestActions(*known.read()).find)


@final
class KnownActions:
    """What a place has a record of, by what is remembered of it."""

    def __init__(self, objects: ObjectStore, memo: Memo) -> None:
        self._objects = objects
        self._memo = memo

    def read(self) -> tuple[list[KnownAction], dict[str, CompileAction]]:
        """The actions that were used last, and what the actions of each grid share, by digest."""
        with contextlib.suppress(StoreError):
            keys = self._last_used()
            for key in keys:
                if self._memo.get(key) is None:
                    self._learn(key)
            self._forget_others(keys)
            self._memo.save()
            return self._remembered(keys)
        return [], {}

    def _last_used(self) -> list[ActionKey]:
        entries = ((entry.used, key) for key, entry in list_actions(self._objects))
        return [key for _, key in heapq.nlargest(MOST, entries)]

    def _learn(self, key: ActionKey) -> None:
        """Read a manifest. One that can't be read is looked at again the next time."""
        with contextlib.suppress(ValueError):
            manifest = parse_json(self._objects.read(action_name(key)) or b"")
            document = manifest.get("action") if isinstance(manifest, dict) else None
            if not isinstance(document, dict) or digest_json(document).sha256 != key:
                return
            action, text = parse_action(document), canonical_json(common_part(document))
            if not isinstance(action, CompileAction) or not _are_sizes(action.shape) or len(text) > LONGEST:
                self._memo.put(key, [])
                return
            common = digest_bytes(text).sha256
            self._memo.put(common, [text.decode()])
            self._memo.put(key, [common, action.graph, action.shape])

    def _forget_others(self, keys: list[ActionKey]) -> None:
        """Drop what was removed or hasn't been used for long, and what is shared by nothing any more."""
        entries = [self._memo.get(key) for key in keys]
        wanted = {*keys, *(str(entry[0]) for entry in entries if entry)}
        for name in self._memo.names() - wanted:
            self._memo.drop(name)

    def _remembered(self, keys: list[ActionKey]) -> tuple[list[KnownAction], dict[str, CompileAction]]:
        actions: list[KnownAction] = []
        commons: dict[str, CompileAction] = {}
        for key in keys:
            common, graph, sizes = self._memo.get(key) or (None, None, None)
            if not isinstance(common, str) or not isinstance(sizes, dict):
                continue
            if common not in commons:
                [text] = self._memo.get(common) or [""]
                shared = _common_action(str(text))
                if shared is None:
                    continue
                commons[common] = shared
            actions.append(KnownAction(key, common, str(graph), sizes))
        return actions, commons


def _common_action(text: str) -> CompileAction | None:
    """The action without a graph and a shape that has this common part."""
    try:
        value = parse_json(text)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    action = parse_action({**value, **dict(zip(OWN, ("", [], {}), strict=True))})
    return action if isinstance(action, CompileAction) else None


def _are_sizes(value: object) -> bool:
    return isinstance(value, dict) and all(type(size) is int and size > 0 for size in value.values())


def _is_sound(entry: object) -> bool:
    """Whether it has the form of what is put."""
    if not isinstance(entry, list) or len(entry) not in LENGTHS:
        return False
    return all(isinstance(part, str) for part in entry[:2]) and all(_are_sizes(part) for part in entry[2:])
