from __future__ import annotations

from neuronbuild.artifact.manifest import FileEntry, Manifest, Provenance
from neuronbuild.cli.plan import SHOWN, _lines
from neuronbuild.store.location import open_store
from tests.doubles.toolchain import fake_plan


def known_store(steps: int):
    """A store that has the first so many fake steps."""
    store = open_store("memory:")
    files = (FileEntry("model.pt2", store.add_bytes(b"code")),)
    for step in fake_plan(steps, store).steps:
        store.record(Manifest(step.action.key, step.action.document, files, Provenance("test", "2026-01-01T00:00:00Z", 1.0)))
    return store


def test_what_is_missing_comes_first_then_what_is_there():
    lines = list(_lines(fake_plan(3, known_store(1))))
    assert lines[0] == "fake  (fill-mask, cpu, ./model)"
    assert [line[:5] for line in lines[1:4]] == ["  + f", "  + f", "  = f"]
    assert lines[-1] == "Plan: 3 targets, 2 to compile, 1 in the store."


def test_a_long_list_is_cut_with_its_count():
    lines = list(_lines(fake_plan(SHOWN * 2 + 1005, known_store(SHOWN + 5))))
    assert len([line for line in lines if line.startswith("  + f")]) == SHOWN
    assert f"  + … and {1005 + SHOWN - 5 - SHOWN:,} more" in lines
    assert "  = … and 5 more" in lines
    assert lines[-1] == "Plan: 1,045 targets, 1,020 to compile, 25 in the store."


def test_nothing_at_all_is_said_so():
    assert list(_lines(fake_plan([], open_store("memory:")))) == ["Plan: 0 targets, 0 to compile, 0 in the store."]
