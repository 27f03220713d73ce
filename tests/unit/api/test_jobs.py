from __future__ import annotations

import json

import pytest

from neuronbuild.api.jobs import ReleaseJobs
from neuronbuild.artifact.action import UnknownAction, action_key
from neuronbuild.artifact.manifest import Manifest, Provenance
from neuronbuild.artifact.snapshot import Model, Snapshot
from neuronbuild.build.workbench import Workbench
from neuronbuild.digest import digest_bytes
from neuronbuild.errors import ReleaseError
from tests.doubles.toolchain import FakeToolchain, fake_action
from tests.tools.fault_matrix import note
from tests.unit.store.disks import fill, small_disk

ACTION = UnknownAction({"kind": "any"})
MANIFEST = Manifest(action_key(ACTION), ACTION, (), Provenance("test", "2026-01-01T00:00:00Z", 1.0))


@pytest.fixture
def model(tmp_path) -> Model:
    """Two files, one of them in a folder, and a third that is none of the model's."""
    folder = tmp_path / "model"
    for name in ("config.json", "1_Pooling/config.json", "private.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    files = {name: digest_bytes(name.encode()) for name in ("config.json", "1_Pooling/config.json")}
    return Model(Snapshot("./model", None, files), {}, lambda name: folder / name)


@pytest.fixture
def jobs(tmp_path):
    """Jobs done by a worker that does as it is told at each step."""
    with Workbench(tmp_path / "work", 20) as bench:

        def make(acts=None, note=lambda _: None):
            return ReleaseJobs("name-cpu", FakeToolchain(tmp_path / "toolchain", acts), bench, tmp_path / "logs", note)

        yield make


def job(step: int = 1) -> dict[str, object]:
    """Something that the worker can do; what it is called doesn't matter here."""
    return {"kind": "compile", "action": fake_action(step)[1].document}


def test_what_came_of_a_job_is_kept_before_its_folder_goes(jobs, model):
    seen = {}

    def keep(folder, result, seconds):
        seen.update(files=[(folder / name).read_bytes() for name in result["files"]], seconds=seconds, folder=folder)
        return MANIFEST

    assert jobs()(job(), model, keep) is MANIFEST
    assert all(seen["files"])
    assert seen["seconds"] > 0
    assert not seen["folder"].exists()


def test_the_worker_sees_just_the_snapshots_files(jobs, model):
    def keep(folder, result, seconds):
        place = folder / "model"
        assert sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()) == sorted(
            model.snapshot.files
        )
        assert (place / "1_Pooling/config.json").read_text() == "1_Pooling/config.json"
        said = json.loads((folder / "job.json").read_text())
        assert (said["model"], said["identity"]) == (str(place), model.snapshot.digest.sha256)
        return MANIFEST

    jobs()(job(), model, keep)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("user", "the operator aten::hum is not supported"),
        ("killed", "for want of memory"),
        ("segfault", "crashed with SIGSEGV"),
    ],
)
def test_a_job_that_fails_is_told_with_its_log(jobs, model, tmp_path, act, words):
    with pytest.raises(ReleaseError, match=words) as caught:
        jobs({1: act})(job(), model, lambda *_: MANIFEST)
    assert str(caught.value).startswith("release name-cpu: ")
    assert caught.value.hint == f"the log is in {tmp_path}/logs/name-cpu-compile.log"
    assert (tmp_path / "logs/name-cpu-compile.log").is_file()


ONCE = ["killed", "segfault", "internal", "memory"]


@pytest.mark.parametrize("act", ONCE)
def test_what_a_second_try_may_mend_is_tried_once_more(jobs, model, act):
    notes = []
    assert jobs({1: f"{act} once"}, notes.append)(job(), model, lambda *_: MANIFEST) is MANIFEST
    [said] = notes
    assert said.startswith("release name-cpu: ")
    assert said.endswith("; trying once more")
    note("a conversion or check of a release", "fails once", act, len(ONCE), "absorbed")


@pytest.mark.parametrize(("act", "tries"), [("killed", 2), ("segfault", 2), ("user", 1), ("disk", 1)])
def test_a_job_that_fails_for_good_says_how_often_it_was_tried(jobs, model, act, tries):
    run = jobs({1: act})
    with pytest.raises(ReleaseError) as caught:
        run(job(), model, lambda *_: MANIFEST)
    assert run._toolchain.compiles() == [1] * tries
    assert caught.value.message.endswith(" (tried twice)") == (tries == 2)


def test_a_scratch_folder_that_is_full_is_told_and_not_taken_for_the_releases(jobs, model, tmp_path):
    with small_disk(tmp_path / "work") as disk:
        fill(disk)
        with pytest.raises(ReleaseError, match=rf"the scratch folder {disk}") as caught:
            jobs()({**job(), "text": "x" * 100_000}, model, lambda *_: MANIFEST)
    assert "No space left on device" in str(caught.value)
    assert "XDG_CACHE_HOME" in str(caught.value)


def test_after_a_failure_the_next_job_is_done(jobs, model):
    run = jobs({1: "segfault"})
    with pytest.raises(ReleaseError):
        run(job(1), model, lambda *_: MANIFEST)
    assert run(job(2), model, lambda *_: MANIFEST) is MANIFEST
