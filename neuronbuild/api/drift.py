"""How what is here differs from what the lock says, in words that name both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.sdks import release_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from neuronbuild.artifact.fingerprint import Fingerprint
    from neuronbuild.artifact.snapshot import Snapshot

MOST_FILES = 5
"""Files of a model that are named."""

LONGEST = 60
"""Characters of a value that are shown."""


def model_drift(locked: Snapshot, present: Snapshot) -> str | None:
    """How a model differs from the locked one, or `None`."""
    if locked.files == present.files and locked.revision == present.revision:
        return None
    named = [name for name in sorted({**locked.files, **present.files}) if locked.files.get(name) != present.files.get(name)]
    changes = [f"{name} {_change(name, locked, present)}" for name in named[:MOST_FILES]]
    if len(named) > MOST_FILES:
        changes.append(f"{len(named) - MOST_FILES} more")
    if locked.revision != present.revision:
        changes.insert(0, f"commit {locked.revision or 'none'} -> {present.revision or 'none'}")
    return f"model {present.model}: {', '.join(changes)}"


def _change(name: str, locked: Snapshot, present: Snapshot) -> str:
    if name not in locked.files:
        return "is new"
    return "differs" if name in present.files else "is gone"


def toolchain_drift(locked: Fingerprint | None, present: Fingerprint) -> str | None:
    """How a toolchain differs from the locked one, or `None`."""
    if locked == present:
        return None
    head = f"toolchain {present.name} for {present.platform}"
    if locked is None:
        return f"{head}: not in the lock"
    changes = ", ".join([*_changes(locked.versions, present.versions), *_changes(_flat(locked.flags), _flat(present.flags))])
    was, now = release_of(locked.versions), release_of(present.versions)
    if was is not None and now is not None and was != now:
        changes = f"SDK {was} -> {now} ({changes})"
    return f"{head}: {changes}"


def _changes(was: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    for name in sorted({*was, *now}):
        if was.get(name) != now.get(name):
            yield f"{name} {_shown(name, was)} -> {_shown(name, now)}"


def _shown(name: str, values: Mapping[str, object]) -> str:
    value = values.get(name, "none")
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _flat(flags: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Flags that hold flags, as one level; of a list, each word by itself, so that only what differs is shown."""
    found: dict[str, object] = {}
    for name, value in flags.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            found |= {f"{prefix}{name}.{each}": "yes" for each in value}
        else:
            found[prefix + name] = value
    return found
