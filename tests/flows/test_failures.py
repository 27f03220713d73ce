"""What can be wrong with a model, a store, a place or a machine: told in a line, with the right status, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import TEXT, run_cli, write_recipe
from tests.flows.checkpoints import copy_model
from tests.flows.stores import applied, contents, copy_store, records, refused
from tests.unit.store.disks import make_read_only, mounted


@pytest.fixture
def broken(models, tmp_path):
    """Two recipes whose model no compiler can make: its heads don't divide its hidden size."""
    model = copy_model(models["fill-mask"], tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "num_attention_heads": 5}))
    for name, length in (("a", 8), ("b", 16)):
        write_recipe(tmp_path / f"recipes/{name}.yaml", model=str(model), shapes={"batch_size": 1, "sequence_length": length})
    return tmp_path


def test_a_failed_compile_ends_the_build_and_says_where_the_log_is(broken):
    done = run_cli("apply", "-j", 1, "--json", cwd=broken)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["summary"] == {"steps": 2, "reused": 0, "built": 0, "failed": 1, "skipped": 1}
    error = report["steps"][0]["error"]
    assert error["class"] == "user"
    assert "transformers can't make this model" in error["message"]
    assert "attention heads" in Path(error["log"]).read_text()
    assert f"log: {error['log']}" in done.stderr
    assert "Traceback" not in done.stderr
    assert (report["releases"], records(broken / "cache")) == ([], set())


def test_keep_going_tries_everything_and_releases_what_it_can(broken, models, built):
    write_recipe(broken / "recipes/c.yaml", model=str(models["fill-mask"]), shapes=TEXT)
    store = copy_store(built.cache, broken / "cache")
    done = run_cli("apply", "-k", "-j", 1, "--json", cwd=broken)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [step["outcome"] for step in report["steps"]] == ["failed", "failed", "reused"]
    assert [release["recipe"] for release in report["releases"]] == ["c"]
    assert records(store) == records(built.cache)


@pytest.fixture
def site(models, tmp_path):
    """A folder with a recipe that `built` has compiled."""
    write_recipe(tmp_path / "recipes/known.yaml", model=str(models["fill-mask"]), shapes=TEXT)
    return tmp_path


def test_a_model_that_isnt_there_is_a_fault_of_the_source(site):
    write_recipe(site / "recipes/lost.yaml", model="./nowhere", shapes=TEXT)
    said = refused(3, "apply", cwd=site)
    assert "error: recipes/lost.yaml:1:1: model ./nowhere: there is no folder recipes/nowhere" in said
    assert "hint: paths count from the recipe's own folder" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "config.json can't be read"), ("[]", "names no model_type"), ('{"model_type": "gpt2"}', "isn't supported")],
)
def test_a_config_that_cant_be_used_is_told(site, text, words):
    (site / "recipes/model").mkdir()
    (site / "recipes/model/config.json").write_text(text)
    write_recipe(site / "recipes/odd.yaml", model="./model", task="fill-mask", shapes=TEXT)
    assert words in refused(2 if "supported" in words else 3, "plan", cwd=site)


def test_a_cache_that_is_a_file_is_no_store(site):
    (site / "cache").write_text("mine")
    for command in ("plan", "apply"):
        assert f"error: store {site}/cache: it is a file, and not a folder" in refused(4, command, cwd=site)
    assert (site / "cache").read_text() == "mine"


def test_a_store_that_cant_be_written_still_serves_what_it_has(built, site):
    with mounted(site / "disk", "size=64m"):
        store = copy_store(built.cache, site / "disk/store")
        applied("--cache", store, cwd=site)
        make_read_only(site / "disk")
        assert applied("--cache", store, "--output", "again", cwd=site)["summary"]["reused"] == 1


def test_a_store_that_cant_be_written_is_told_before_anything_is_compiled(models, site):
    with mounted(site / "disk", "size=1m"):
        make_read_only(site / "disk")
        said = refused(4, "apply", "--cache", "disk/store", cwd=site)
    assert "Read-only file system" in said
    assert "--cache" in said
    assert "compiling" not in said


@pytest.fixture
def no_compiler(tmp_path):
    """A PATH without g++."""
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "uname", "ldconfig"):
        if found := shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(found)
    return {"PATH": str(tmp_path / "bin")}


def test_a_machine_without_gpp_is_told_so_before_anything_starts(site, no_compiler):
    said = refused(5, "apply", cwd=site, env=no_compiler)
    assert said.splitlines()[0] == "error: toolchain inductor: g++ is not on PATH"
    assert "apt install g++" in said
    assert not (site / "cache").exists()


def test_a_release_still_runs_on_a_machine_without_gpp(built, site, no_compiler):
    done = run_cli("run", built.releases["fill-mask"], "the [MASK] sits", cwd=site, env=no_compiler)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.parametrize("place", ["releases/known-cpu/thesis.txt", "releases/known-cpu/deep/thesis.txt", "releases/known-cpu"])
def test_somebody_elses_files_in_a_releases_place_are_never_replaced(built, site, place):
    file = site / place
    file.parent.mkdir(parents=True)
    file.write_text("years of work")
    said = refused(6, "apply", "--cache", copy_store(built.cache, site / "store"), cwd=site)
    assert "something else is in its place" in said
    assert "choose another --output" in said
    assert file.read_text() == "years of work"


def test_a_note_put_into_a_release_is_not_lost_when_the_release_changes(built, models, site):
    store = copy_store(built.cache, site / "store")
    applied("--cache", store, cwd=site)
    release = site / "releases/known-cpu"
    (release / "notes.md").write_text("mine")
    write_recipe(site / "recipes/known.yaml", model=str(models["fill-mask"]), shapes=TEXT, dynamic_batch_size=True)
    before = contents(release)
    assert "notes.md" in refused(6, "apply", "--cache", store, cwd=site)
    assert contents(release) == before


def test_a_link_to_a_folder_elsewhere_stays_a_link(built, models, site):
    store, release = copy_store(built.cache, site / "store"), site / "releases/known-cpu"
    (site / "elsewhere").mkdir()
    release.parent.mkdir()
    release.symlink_to(site / "elsewhere")
    for dynamic in (False, True, False):
        write_recipe(site / "recipes/known.yaml", model=str(models["fill-mask"]), shapes=TEXT, dynamic_batch_size=dynamic)
        applied("--cache", store, cwd=site)
        assert release.is_symlink()
        assert json.loads((site / "elsewhere/neuronbuild.json").read_text())["dynamic_batch_size"] is dynamic


def test_an_output_that_is_a_file_is_a_wrong_use(site):
    (site / "out").write_text("mine")
    assert "'out' is a file" in refused(2, "apply", "--output", "out", cwd=site)


def test_commands_that_dont_exist_and_wrong_options_are_wrong_uses(tmp_path):
    for arguments in (["compile"], ["plan", "--what"], ["apply", "-j", "0"], ["run"], []):
        done = run_cli(*arguments, cwd=tmp_path)
        assert done.returncode in ({0, 2} if not arguments else {2})
        assert "Traceback" not in done.stderr


def test_a_workspace_file_that_is_wrong_is_told_with_its_place(site):
    (site / "neuronbuild.yaml").write_text("cahce: x\n")
    for command in (["plan"], ["cache", "ls"]):
        assert "neuronbuild.yaml:1:1: unknown key 'cahce'; did you mean 'cache'?" in refused(2, *command, cwd=site)


def test_debug_shows_where_an_error_came_from(site):
    write_recipe(site / "recipes/lost.yaml", model="./nowhere", shapes=TEXT)
    assert "Traceback" in run_cli("--debug", "plan", cwd=site).stderr
