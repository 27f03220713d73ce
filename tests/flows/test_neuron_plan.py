"""Planning for Neuron platforms where there is no SDK: a zoo of every task and family, from configs."""

from __future__ import annotations

import json
import shutil

import pytest
import transformers

from neuronbuild.tasks import FAMILIES, TASKS, tasks_of
from tests.conftest import run_cli, write_recipe

PLATFORMS = ["inf2", "trn1", "trn2"]
SIZES = {
    "batch_size": 1, "sequence_length": 32, "num_choices": 2, "num_beams": 1, "prefill_length": 16, "text_batch_size": 1,
    "image_batch_size": 1, "audio_sequence_length": 16000,
}  # fmt: skip


OWN = {"audio-spectrogram-transformer": {"audio_sequence_length": 1024}}
"""Families that take one size only."""


def zoo() -> list[tuple[str, str]]:
    """Every family, for each task that it does."""
    return [(name, task) for name, family in FAMILIES.items() for task in tasks_of(family)]


def write_zoo(root) -> None:
    """Configs as transformers makes them, and a file for the weights, whose digest is all that a plan needs of it."""
    for family, task in zoo():
        folder = root / f"models/{family}-{task}"
        folder.mkdir(parents=True)
        transformers.CONFIG_MAPPING[family]().save_pretrained(folder)
        (folder / "model.safetensors").write_bytes(f"weights of {family} for {task}".encode())
        sizes = SIZES | OWN.get(family, {})
        shapes = {axis: sizes[axis] for axis in TASKS[task].axes if axis in sizes}
        name = f"{family}-{task}"
        keys = {"model": f"../models/{name}", "task": task, "platforms": PLATFORMS, "shapes": shapes}
        write_recipe(root / f"recipes/{name}.yaml", name=name, **keys)


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    """The plans of two clones in folders of different names."""
    one, other = (tmp_path_factory.mktemp(name) / "work" for name in ("one", "another-one"))
    one.mkdir()
    write_zoo(one)
    shutil.copytree(one, other)
    made = []
    for root in (one, other):
        (root / "neuronbuild.yaml").write_text('sdk: "2.31.0"\n')
        done = run_cli("plan", "--json", cwd=root)
        assert done.returncode == 0, done.stderr
        made.append(json.loads(done.stdout)["steps"])
    return made


def test_every_task_and_family_is_planned_for_every_platform(plans):
    planned = {(step["recipe"], step["platform"]) for step in plans[0]}
    assert planned == {(f"{family}-{task}", platform) for family, task in zoo() for platform in PLATFORMS}


def test_two_clones_in_different_folders_get_identical_keys(plans):
    assert [step["key"] for step in plans[0]] == [step["key"] for step in plans[1]]


def test_no_two_steps_of_a_zoo_share_a_key(plans):
    keys = [step["key"] for step in plans[0]]
    assert len(set(keys)) == len(keys)


@pytest.fixture
def one_model(tmp_path, models):
    write_recipe(
        tmp_path / "r.yaml", model=str(models["fill-mask"]), task="fill-mask", platforms=["inf1", "inf2"],
        shapes={"batch_size": 1, "sequence_length": 16},
    )  # fmt: skip
    return tmp_path


def keys_of(done) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return {step["platform"]: step["key"] for step in json.loads(done.stdout)["steps"]}


def test_another_release_is_another_key_but_for_the_first_generation(one_model):
    before, after = (keys_of(run_cli("plan", "r.yaml", "--json", "--sdk", sdk, cwd=one_model)) for sdk in ("2.31.0", "2.30.0"))
    assert before["inf1"] == after["inf1"]
    assert before["inf2"] != after["inf2"]


def test_a_patch_release_with_the_same_packages_is_the_same_key(one_model):
    keys = [keys_of(run_cli("plan", "r.yaml", "--json", "--sdk", sdk, cwd=one_model)) for sdk in ("2.31.0", "2.31.1")]
    assert keys[0] == keys[1]


def test_a_platform_can_be_chosen(one_model):
    assert set(keys_of(run_cli("plan", "r.yaml", "--json", "--sdk", "2.31.0", "--platform", "inf2", cwd=one_model))) == {"inf2"}


def test_what_must_be_compiled_again_for_another_release_is_told_with_the_reason(neuron_built):
    said = run_cli("plan", "--json", "--sdk", "2.30.0", "--platform", "inf2", "--platform", "inf1", cwd=neuron_built.root)
    steps = json.loads(said.stdout)["steps"]
    reasons = {(step["recipe"], step["state"], step["reason"].partition(":")[0]) for step in steps}
    assert ("masked", "miss", "must be compiled again") in reasons
    assert ("first", "hit", "in the store") in reasons
    masked = next(step["reason"] for step in steps if step["recipe"] == "masked")
    assert "neuronx-cc 2.26.6360.0+82129205 -> 2.25.3371.0" in masked


def test_without_an_sdk_or_a_pin_the_way_out_is_told(one_model):
    done = run_cli("plan", "r.yaml", "--platform", "inf2", cwd=one_model)
    assert done.returncode == 5
    assert "--sdk 2.31.0" in done.stderr


@pytest.mark.parametrize(
    ("keys", "sdk", "place", "message"),
    [
        ({"compiler": {"extra_args": ["--lnc=2"]}}, "2.31.0", "r.yaml:", "--lnc=2 is for trn2 and trn3"),
        ({"platforms": ["trn3"]}, "2.28.0", "r.yaml:", "doesn't compile for trn3; use SDK 2.29.0 or newer"),
        (
            {"platforms": ["inf1"], "compiler": {"auto_cast": "all", "auto_cast_type": "fp8_e4m3"}},
            "2.31.0",
            "r.yaml:",
            "can't cast to fp8_e4m3; use bf16",
        ),
        ({"compiler": {"extra_args": ["--native-int64=enabled"]}}, "2.31.0", "r.yaml:", "came with neuronx-cc 2.27"),
        ({"compiler": {"extra_args": ["--hum"]}}, "2.31.0", "r.yaml:", "has no flag --hum"),
    ],
)
def test_what_a_compiler_cant_do_is_told_at_the_key_that_asks_for_it(tmp_path, models, keys, sdk, place, message):
    base = {"model": str(models["fill-mask"]), "task": "fill-mask", "platforms": ["inf2"]}
    write_recipe(tmp_path / "r.yaml", **{**base, "shapes": {"batch_size": 1, "sequence_length": 16}, **keys})
    done = run_cli("plan", "r.yaml", "--sdk", sdk, cwd=tmp_path)
    assert done.returncode == 2
    assert place in done.stderr
    assert message in done.stderr
