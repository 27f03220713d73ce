"""A run's line in the near store's statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.store.care.stats import Run, note_run

if TYPE_CHECKING:
    from collections.abc import Collection

    from neuronbuild.digest import ActionKey
    from neuronbuild.store.base import ArtifactReader


def note_use(store: ArtifactReader, *, reused: Collection[ActionKey], built: int) -> None:
    """Note what came of a run: what is reused counts for what its build took, if it was really taken out."""
    used = [store.used[key] for key in set(reused) if key in store.used]
    run = Run(len(reused), built, sum(use.size for use in used), round(sum(use.seconds for use in used), 3))
    note_run(store.objects, run)
