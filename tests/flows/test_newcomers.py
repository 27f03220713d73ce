"""What somebody meets who has only the documents: mistakes that are easily made, and what is said of them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import neuronbuild
from neuronbuild.cli.run import run_command
from neuronbuild.errors import ReleaseError, UsageError
from neuronbuild.store.location import open_store
from tests.conftest import TEXT, run_cli, write_recipe
from tests.doubles.neuron_sdk import install_sdk
from tests.flows.neuron import Host
from tests.flows.stores import contents, records, refused
from tests.unit.store.artifacts import key_of, put

NO_SDK = "there is no Neuron SDK here"


@pytest.fixture
def zoo(tmp_path, models):
    """A recipe that can be planned, and others that can't, each for a reason of its own."""
    good = {"model": str(models["fill-mask"]), "task": "fill-mask", "shapes": TEXT}
    write_recipe(tmp_path / "recipes/good.yaml", **good)
    write_recipe(tmp_path / "recipes/gone.yaml", **{**good, "model": "./nowhere"})
    write_recipe(tmp_path / "recipes/misspelt.yaml", **good, tsak="x")
    write_recipe(tmp_path / "recipes/other.yaml", **good, platforms=["inf2"])
    write_recipe(tmp_path / "recipes/long.yaml", **{**good, "shapes": {"batch_size": 1, "sequence_length": 100_000}})
    (tmp_path / "recipes/several.yaml").write_text(
        f"name: first\nmodel: {good['model']}\ntask: fill-mask\nshapes: {{batch_size: 1, sequence_length: 8}}\n"
        "---\nname: second\nmodle: x\n"
    )
    return tmp_path


def test_recipes_that_cant_be_planned_hide_no_other(zoo):
    done = run_cli("plan", "--json", cwd=zoo)
    plan = json.loads(done.stdout)
    assert done.returncode == 2
    assert {step["recipe"] for step in plan["steps"]} == {"good", "first"}
    told = "\n".join(error["message"] for error in plan["errors"])
    for text in (
        "gone.yaml:1:1: model ./nowhere",
        "misspelt.yaml:6:1: unknown key 'tsak'",
        NO_SDK,
        "long.yaml:",
        "unknown key 'modle'",
    ):
        assert text in told
        assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_the_status_is_that_of_what_is_wrong(zoo):
    for name, status in (("gone", 3), ("misspelt", 2), ("other", 5)):
        done = run_cli("plan", "recipes/good.yaml", f"recipes/{name}.yaml", "--detailed-exitcode", cwd=zoo)
        assert (name, done.returncode) == (name, status)
        assert "Plan: 1 target, 1 to compile, 0 in the store." in done.stdout


def test_faulty_defaults_stop_every_recipe_that_they_are_for_and_no_other(zoo, models):
    (zoo / "recipes/defaults.yaml").write_text("defaults: {dtype: float23}\n")
    write_recipe(zoo / "apart/fine.yaml", model=str(models["fill-mask"]), task="fill-mask", shapes=TEXT)
    done = run_cli("plan", "recipes", "apart", cwd=zoo)
    assert done.returncode == 2
    assert "fine  (" in done.stdout
    assert "good  (" not in done.stdout


@pytest.fixture
def for_neuron(tmp_path, models):
    write_recipe(tmp_path / "r.yaml", model=str(models["fill-mask"]), task="fill-mask", platforms=["inf2", "inf1"], shapes=TEXT)
    return tmp_path


def test_what_another_sdk_changes_is_told_though_nothing_was_ever_built(for_neuron):
    (for_neuron / "neuronbuild.yaml").write_text('sdk: "2.31.0"\n')
    done = run_cli("plan", "r.yaml", "--sdk", "2.30.0", cwd=for_neuron)
    lines = done.stdout.splitlines()
    assert "SDK 2.31.0 -> 2.30.0" in lines
    assert "  neuronx for inf2: libneuronxla 2.2.17544.0 -> 2.2.16974.0, neuronx-cc 2.26.6360.0 -> 2.25.3371.0, " in done.stdout
    assert "  neuron for inf1: the same packages" in lines
    assert "  1 target would be compiled anew" in lines
    move = json.loads(run_cli("plan", "r.yaml", "--sdk", "2.30.0", "--json", cwd=for_neuron).stdout)["move"]
    assert (move["from"], move["to"], move["steps"]) == ("2.31.0", "2.30.0", 1)
    assert move["changes"]["neuronx for inf2"]["neuronx-cc"] == ["2.26.6360.0", "2.25.3371.0"]


def test_a_patch_release_without_changes_is_told_as_that(for_neuron):
    (for_neuron / "neuronbuild.yaml").write_text('sdk: "2.31.0"\n')
    done = run_cli("plan", "r.yaml", "--sdk", "2.31.1", cwd=for_neuron)
    assert "neuronx for inf2: the same packages" in done.stdout
    assert "  0 targets would be compiled anew" in done.stdout


def test_without_an_sdk_to_compare_with_the_packages_of_the_other_are_listed(for_neuron):
    done = run_cli("plan", "r.yaml", "--sdk", "2.30.0", cwd=for_neuron)
    assert done.returncode == 0
    assert "neuronx-cc 2.25.3371.0" in done.stdout
    assert "none is installed, locked or pinned to compare with" in done.stdout


@pytest.mark.parametrize("text", ["sdk: 2.31", "toolchains: {neuronx: {sdk: 2.31}}"])
def test_a_release_of_the_sdk_without_quotes_is_told_how_to_write_it(for_neuron, text):
    (for_neuron / "neuronbuild.yaml").write_text(f"{text}\n")
    said = refused(2, "plan", "r.yaml", cwd=for_neuron)
    assert "neuronbuild.yaml:1:" in said
    assert 'write "2.31.1" or "2.31.0", in quotes' in said


def test_a_release_of_the_sdk_that_isnt_whole_is_told_those_that_begin_so(for_neuron):
    assert 'write "2.30.0"' in refused(5, "plan", "r.yaml", "--sdk", "2.30", cwd=for_neuron)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("paln",), "'plan'"),
        (("aply", "recipes"), "'apply'"),
        (("build",), "'apply'"),
        (("ls",), "'cache ls'"),
        (("prune",), "'cache prune'"),
        (("cache", "lst"), "'cache ls'"),
        (("cache", "remove"), "'cache rm'"),
        (("neff", "inspct"), "'neff inspect'"),
        (("release", "verfy"), "'cache verify' or 'release verify'"),
        (("plan", "--plattform", "cpu"), "--platform"),
        (("apply", "--no-biuld"), "--no-build"),
    ],
)
def test_a_mistyped_command_or_option_is_told_what_was_meant(tmp_path, words, meant):
    said = refused(2, *words, cwd=tmp_path)
    assert "Did you mean" in said
    assert meant in said


def test_a_command_like_no_other_gets_no_suggestion(tmp_path):
    said = refused(2, "xyzzyq", cwd=tmp_path)
    assert "No such command 'xyzzyq'." in said
    assert "Did you mean" not in said


@pytest.fixture
def filled(tmp_path):
    """A workspace whose store has two made artifacts."""
    store = open_store(str(tmp_path / "cache"))
    for number in (1, 2):
        put(store, number)
    return tmp_path


def test_an_artifact_is_listed_summed_up_and_removed_by_its_short_key(filled):
    heading, *lines = run_cli("cache", "ls", cwd=filled).stdout.splitlines()
    assert heading.split() == ["KEY", "MODEL", "TASK", "SHAPE", "PLATFORM", "SIZE", "AGE"]
    short = lines[0].split()[0]
    shown = run_cli("cache", "show", short, cwd=filled)
    assert shown.returncode == 0
    assert f"key       {short}" in shown.stdout
    assert "2 files, " in shown.stdout
    assert json.loads(run_cli("cache", "show", short, "--json", cwd=filled).stdout)["key"].startswith(short)
    removed = run_cli("cache", "rm", short, cwd=filled)
    assert (removed.returncode, removed.stdout.partition(",")[0]) == (0, "1 artifact removed")
    assert len(records(filled / "cache")) == 1
    assert f"no artifact's key begins with {short}" in refused(2, "cache", "rm", short, cwd=filled)
    assert run_cli("cache", "ls", cwd=filled).stderr == "1 artifact\n"


def test_a_prune_says_what_it_kept_and_fails_where_it_cant_reach_a_limit(filled):
    done = run_cli("cache", "prune", "--max-size", "100", cwd=filled)
    assert done.returncode == 1
    assert "0 artifacts and 0 blobs went" in done.stdout
    assert "kept: 2 artifacts used within the grace period" in done.stdout
    assert "more than --max-size 100" in done.stderr
    assert "used within the grace period" in done.stderr
    assert records(filled / "cache") == {key_of(1), key_of(2)}
    assert run_cli("cache", "prune", "--max-size", "1GB", cwd=filled).returncode == 0


def test_validate_sees_models_that_arent_there_and_flags_that_no_compiler_knows(tmp_path):
    (tmp_path / "my-bert").mkdir()
    base = {"task": "fill-mask", "shapes": TEXT}
    write_recipe(tmp_path / "recipes/a.yaml", model="./my-bert", **base)
    write_recipe(
        tmp_path / "recipes/b.yaml", model="../my-bert", platforms=["inf2"], compiler={"extra_args": ["--hum"]}, **base
    )
    said = refused(2, "validate", cwd=tmp_path)
    assert "recipes/a.yaml:1:1: model ./my-bert: there is no folder" in said
    assert "write `model: ../my-bert`" in said
    assert "neuronx-cc has no flag --hum" in said
    assert len(json.loads(run_cli("validate", "--json", cwd=tmp_path).stdout)["issues"]) == 2


def test_a_model_named_without_its_dots_is_told_the_folder_that_is_there(tmp_path, models):
    (tmp_path / "my-bert").symlink_to(models["fill-mask"])
    write_recipe(tmp_path / "recipes/a.yaml", model="my-bert", task="fill-mask", shapes=TEXT)
    assert "write `model: ../my-bert`" in refused(3, "plan", cwd=tmp_path)


def test_apply_builds_what_can_be_built_and_ends_with_what_cant(tmp_path, models):
    install_sdk(tmp_path / "sdk").workspace(tmp_path)
    assert run_cli("trust", cwd=tmp_path).returncode == 0
    base = {"model": str(models["fill-mask"]), "task": "fill-mask", "platforms": ["inf2"], "shapes": TEXT}
    write_recipe(tmp_path / "recipes/good.yaml", **base)
    write_recipe(tmp_path / "recipes/gone.yaml", **{**base, "model": "./nowhere"})
    write_recipe(tmp_path / "recipes/misspelt.yaml", **base, tensor_parallel_size=2)
    done = run_cli("apply", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 2
    assert [(step["recipe"], step["outcome"]) for step in report["steps"]] == [("good", "built")]
    assert [release["recipe"] for release in report["releases"]] == ["good"]
    assert "unknown key 'tensor_parallel_size'; here it is `num_cores`" in report["errors"][0]["message"]
    assert "model ./nowhere" in report["errors"][1]["message"]
    for error in report["errors"]:
        assert error["message"] in done.stderr
    again = run_cli("apply", "recipes/good.yaml", "recipes/gone.yaml", cwd=tmp_path)
    assert (again.returncode, again.stdout.splitlines()[0]) == (3, "Applied: 0 compiled, 1 reused.")
    listed = run_cli("cache", "ls", cwd=tmp_path).stdout
    assert "  fill-mask  fill-mask  batch_size=2, sequence_length=16  inf2  " in listed


@pytest.fixture
def at_batch_one(tmp_path, models, monkeypatch):
    """A release for one text at a time, on a host with a device: doubles of the SDK compiled it, and run it."""
    sdk = install_sdk(tmp_path / "sdk")
    sdk.workspace(tmp_path)
    assert run_cli("trust", cwd=tmp_path).returncode == 0
    keys = {"task": "text-classification", "platforms": ["inf2"], "shapes": {"batch_size": 1, "sequence_length": 16}}
    write_recipe(tmp_path / "recipes/one.yaml", model=str(models["text-classification"]), **keys)
    assert run_cli("apply", cwd=tmp_path).returncode == 0
    Host.stand_in(monkeypatch, tmp_path / "host", sdk)
    sdk.set(device=True)
    return tmp_path / "releases/one-inf2"


def test_a_release_at_batch_one_runs_on_several_texts_and_is_shown_and_saved(at_batch_one, tmp_path):
    arguments = [str(at_batch_one), "the cat", "-", "a dog runs", "--json"]
    done = CliRunner().invoke(run_command, arguments, input="one\ntwo\n", standalone_mode=False, catch_exceptions=False)
    assert [row["text"] for row in json.loads(done.stdout)] == ["the cat", "one", "two", "a dog runs"]
    model = neuronbuild.open_model(at_batch_one)
    shown = f"NeuronModelForSequenceClassification({str(at_batch_one)!r}: text-classification on inf2; batch_size=1, "
    assert repr(model).startswith(shown)
    found = neuronbuild.pipeline("text-classification", model)
    assert repr(found).startswith("TextClassificationPipeline: {'model': 'NeuronModelForSequenceClassification'")
    before = contents(at_batch_one)
    for place in (at_batch_one, tmp_path / "copy", tmp_path / "copy"):
        model.save_pretrained(place)
    assert contents(at_batch_one) == before == contents(tmp_path / "copy")
    with pytest.raises(ReleaseError, match="load it with NeuronModelForSequenceClassification"):
        neuronbuild.NeuronModelForMaskedLM.from_pretrained(at_batch_one)
    with pytest.raises(UsageError, match="choose the pipeline 'text-classification'"):
        neuronbuild.pipeline("fill-mask", model)
