from __future__ import annotations

import threading

from neuronbuild.store.care.stats import FILE, Run, Sizes, measure, note_run, read_runs
from neuronbuild.store.objects.local import LocalObjects
from neuronbuild.store.objects.memory import MemoryObjects
from tests.unit.store.artifacts import put
from tests.unit.store.disks import make_read_only, small_disk
from tests.unit.store.layers import near_memory


def test_runs_add_up(tmp_path):
    objects = LocalObjects(tmp_path / "store")
    assert read_runs(objects) == Run()
    note_run(objects, Run(3, 1, 100, 2.5))
    note_run(objects, Run(1, 0, 50, 0.5))
    assert read_runs(objects) == Run(4, 1, 150, 3.0)


def test_lines_that_were_cut_short_dont_count(tmp_path):
    objects = LocalObjects(tmp_path)
    note_run(objects, Run(3, 1, 100, 2.5))
    whole = (tmp_path / FILE).read_bytes()
    for length in range(len(whole) - 1):
        (tmp_path / FILE).write_bytes(whole[:length] + b"\n" + whole)
        assert read_runs(objects) == Run(3, 1, 100, 2.5)


def test_runs_at_once_lose_no_line(tmp_path):
    objects = LocalObjects(tmp_path)
    threads = [threading.Thread(target=lambda: [note_run(objects, Run(1)) for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_runs(objects).hits == 400


def test_a_place_that_cant_keep_it_keeps_none(tmp_path):
    note_run(MemoryObjects(), Run(1))
    with small_disk(tmp_path / "disk") as disk:
        make_read_only(disk)
        note_run(LocalObjects(disk), Run(1))
        assert read_runs(LocalObjects(disk)) == Run()


def test_a_link_in_its_place_is_not_written_through(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / FILE).symlink_to(tmp_path / "victim")
    note_run(LocalObjects(tmp_path / "store"), Run(1))
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_store_is_measured_by_listing():
    store = near_memory()
    put(store, 1)
    put(store, 2)
    manifests = sum(entry.size for entry in store.objects.list("v1/actions/"))
    assert measure(store.objects) == Sizes(2, 5, 40 * 3 + 2 * 5 + manifests)
