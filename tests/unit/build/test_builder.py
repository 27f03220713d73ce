from __future__ import annotations

from pathlib import Path

import pytest

from neuronbuild.artifact.signature import ConstantSpec, TensorSpec
from neuronbuild.artifact.snapshot import Model, Snapshot
from neuronbuild.build.builder import Place, build_step
from neuronbuild.build.workbench import Workbench
from neuronbuild.digest import digest_bytes, digest_file, digest_json
from neuronbuild.errors import SourceError, StoreError
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, blob_name
from tests.doubles.toolchain import FILES, FakeToolchain, fake_plan
from tests.limits import SOON
from tests.unit.store.artifacts import make_newer
from tests.unit.store.disks import fill, small_disk


class Desk:
    """Everything that one step needs."""

    def __init__(self, folder, bench, location: str | None = None) -> None:
        self.folder = folder
        self.store = open_store(location or str(folder / "store"))
        self.bench = bench
        self.compiling = 0
        self.handed = False

    def build(self, act: str = "", toolchain=None, model=None):
        toolchain = toolchain or FakeToolchain(self.folder / "toolchain", {1: act})
        step = fake_plan(1, open_store("memory:")).steps[0]
        place = Place(self.store, self.bench, self.folder / "logs", {step.action.key: model} if model else {})
        return build_step(step, toolchain, place, waiting=lambda _: False, compiling=self._count)

    def _count(self) -> None:
        self.compiling += 1


@pytest.fixture
def bench(tmp_path):
    with Workbench(tmp_path / "work", timeout=SOON) as bench:
        yield Desk(tmp_path, bench)


def test_a_build_is_recorded_with_all_that_came_of_it(bench):
    outcome = bench.build()
    manifest = bench.store.lookup(outcome.step.action.key)
    assert outcome.kind == "built"
    assert outcome.manifest == manifest
    assert manifest.action == outcome.step.action.record
    assert [entry.path for entry in manifest.files] == list(FILES)
    assert bench.store.missing(manifest) is None
    assert manifest.checks[0].kind == "random-weights"
    assert manifest.facts == {"prefix": "model", "model": "model"}
    assert manifest.provenance.seconds == round(outcome.seconds, 3)


def test_the_worker_is_handed_the_document_that_the_key_is_of_and_nothing_else(bench, monkeypatch):
    handed, run = [], Workbench.run
    monkeypatch.setattr(Workbench, "run", lambda self, tool, job, folder: handed.append(job) or run(self, tool, job, folder))
    action = bench.build().step.action
    [job] = handed
    assert job == {"kind": "compile", "action": action.document}
    assert digest_json(job["action"]).sha256 == action.key


def test_what_was_compiled_of_a_model_that_changed_meanwhile_is_not_recorded(bench, tmp_path):
    (tmp_path / "weights").write_bytes(b"weights")

    def open_file(name):
        if bench.handed:
            raise SourceError("m", f"{name} changed")
        bench.handed = True
        return tmp_path / "weights"

    model = Model(Snapshot("m", None, {"model.safetensors": digest_bytes(b"weights")}), {}, open_file)
    outcome = bench.build(model=model)
    assert (outcome.kind, outcome.error.kind) == ("failed", "system")
    assert "model.safetensors changed" in outcome.error.message
    assert bench.handed
    assert list(bench.store.manifests()) == []


def test_scratch_space_that_cant_be_written_says_which_variable_names_another(tmp_path):
    (tmp_path / "work").write_text("in the way")
    with Workbench(tmp_path / "work", timeout=SOON) as blocked:
        outcome = Desk(tmp_path, blocked).build()
    assert (outcome.kind, outcome.error.kind) == ("failed", "system")
    assert "XDG_CACHE_HOME" in outcome.error.message


def test_what_a_newer_version_recorded_is_neither_compiled_nor_written_over(bench):
    recorded = make_newer(bench.store, 1)
    outcome = bench.build()
    assert (outcome.kind, outcome.error.kind, bench.compiling) == ("failed", "system", 0)
    assert "recorded by a newer version of neuronbuild" in outcome.error.message
    assert "--cache" in outcome.error.message
    assert bench.store.objects.read(action_name(outcome.step.action.key)) == recorded


def test_the_same_action_gives_the_same_bytes(bench, tmp_path):
    first = bench.build().manifest.files
    assert Desk(tmp_path, bench.bench, "memory:").build().manifest.files == first


def test_tensors_get_their_axes_from_the_task_table(bench):
    signature = bench.build().manifest.signature
    assert signature.inputs[0] == TensorSpec("input_ids", "int64", (1, 16), ("batch_size", "sequence_length"))
    assert signature.outputs == (TensorSpec("logits", "float32", (1, 16, 3), ("batch_size", "sequence_length", None)),)
    assert signature.constants == (
        ConstantSpec("model.weight", "float32", (2, 2), (2, 1), ("weight",), in_artifact=False),
        ConstantSpec("table", "float32", (1,), (1,), (), in_artifact=True),
    )


def test_the_log_of_a_success_is_in_the_store(bench):
    manifest = bench.build("chatter").manifest
    assert b"garbage" in bench.store.read_blob(manifest.log)
    assert not (bench.folder / "logs").exists()


def test_what_was_built_meanwhile_is_taken(bench):
    bench.build()
    outcome = bench.build()
    assert outcome.kind == "reused"
    assert bench.compiling == 1


def test_an_artifact_that_lost_a_blob_is_built_again(bench):
    manifest = bench.build().manifest
    bench.store.objects.delete(blob_name(manifest.files[0].digest.sha256))
    assert bench.build().kind == "built"
    assert bench.store.missing(manifest) is None


def test_waiting_for_another_builder_can_be_given_up(bench):
    key = fake_plan(1, bench.store).steps[0].action.key
    with bench.store.acquire_lease(key, lambda _: False):
        assert bench.build().kind == "skipped"
    assert bench.compiling == 0


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        ("user", "user", "aten::hum is not supported"),
        ("internal", "internal", "the scheduler tripped"),
        ("memory", "memory", "MemoryError"),
        ("killed", "memory", "want of memory"),
        ("segfault", "crash", "SIGSEGV"),
        ("leave", "crash", "status 3"),
        ("lose-file", "output", "no usable model.pt2"),
        ("empty-file", "output", "no usable constants.safetensors"),
        ("forget-files", "internal", "can't be used: KeyError: 'files'"),
        ("other-shape", "internal", "axis batch_size is 2 in the compiled graph, 1 in its shape"),
        ("other-output", "internal", "can't be used: KeyError: 'attentions'"),
    ],
)
def test_a_failure_is_an_outcome_and_never_recorded(bench, act, kind, words):
    outcome = bench.build(act)
    assert outcome.kind == "failed"
    assert outcome.error.kind == kind
    assert words in outcome.error.message
    assert outcome.manifest is None
    assert list(bench.store.objects.list("v1/actions/")) == []
    assert list(bench.store.objects.list("v1/blobs/")) == []


def test_the_log_of_a_failure_is_kept_under_its_key(bench):
    outcome = bench.build("internal")
    assert outcome.error.log == str(bench.folder / "logs" / f"{outcome.step.action.key}.log")
    assert "RuntimeError: the scheduler tripped\nover a loop" in Path(outcome.error.log).read_text()


def test_a_log_that_cant_be_kept_doesnt_hide_the_failure(bench):
    (bench.folder / "logs").write_bytes(b"in the way")
    outcome = bench.build("internal")
    assert outcome.error.kind == "internal"
    assert outcome.error.log is None


def test_a_stopped_bench_skips(bench):
    bench.bench.stop()
    outcome = bench.build()
    assert outcome.kind == "skipped"
    assert outcome.error is None


def test_scratch_is_empty_after_success_and_failure(bench):
    for act in ("", "internal", "lose-file"):
        bench.build(act)
        assert [path.name for path in (bench.folder / "work").glob("*/*") if path.is_dir()] == []


def test_an_interpreter_that_isnt_there_is_a_failure_of_the_system(bench):
    toolchain = FakeToolchain(bench.folder / "toolchain")
    toolchain.interpreter = Path("/no/such/python")
    error = bench.build(toolchain=toolchain).error
    assert error.kind == "system"
    assert "/no/such/python" in error.message


def test_a_full_scratch_disk_is_a_failure_of_the_system(tmp_path):
    with small_disk(tmp_path / "disk") as disk, Workbench(disk / "work", timeout=SOON) as bench:
        fill(disk)
        error = Desk(tmp_path, bench).build().error
    assert error.kind == "system"
    assert "No space left" in error.message


def test_a_full_store_is_a_store_error_and_nothing_is_recorded(tmp_path):
    with small_disk(tmp_path / "disk") as disk, Workbench(tmp_path / "work", timeout=SOON) as bench:
        place = Desk(tmp_path, bench, str(disk))
        place.store.objects.write("v1/leases/room", b"")
        fill(disk)
        with pytest.raises(StoreError, match="No space left"):
            place.build()
        assert list(place.store.objects.list("v1/actions/")) == []


def test_blobs_are_named_by_what_the_compiler_wrote(bench, tmp_path):
    entry = bench.build().manifest.files[0]
    bench.store.fetch(entry.digest, tmp_path / "file")
    assert digest_file(tmp_path / "file") == digest_bytes((tmp_path / "file").read_bytes()) == entry.digest
