from __future__ import annotations

from neuronbuild.api.usage import note_use
from neuronbuild.store.care.stats import Run, read_runs
from neuronbuild.store.location import open_store
from tests.unit.store.artifacts import key_of, put


def test_what_was_taken_out_counts_for_what_it_took_to_build(tmp_path):
    put(open_store(str(tmp_path)), 1)
    store = open_store(str(tmp_path))
    store.lookup(key_of(1))
    note_use(store, reused=[key_of(1), key_of(2)], built=3)
    assert read_runs(store.objects) == Run(2, 3, 80, 1.0)
