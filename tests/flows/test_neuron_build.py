"""Compiling for Neuron platforms, on doubles of the SDK: nothing here has run on Neuron hardware."""

from __future__ import annotations

import importlib
import json
import zipfile

import pytest
import torch

from neuronbuild.neff import find_neff
from tests.conftest import TEXT, run_cli, write_recipe
from tests.flows import checkpoints

AXES = {"batch_size": 2, "sequence_length": 16}


def steps(built, recipe):
    return [step for step in built.report["steps"] if step["recipe"] == recipe]


def test_everything_is_compiled_and_released(neuron_built):
    assert {step["outcome"] for step in neuron_built.report["steps"]} == {"built"}
    assert len(neuron_built.report["releases"]) == 13


def test_nothing_that_was_made_is_loaded_on_a_host_without_a_device(neuron_built):
    assert "load" not in neuron_built.calls


def test_what_is_keyed_is_what_is_handed_over(neuron_built):
    keyed = []
    for step in neuron_built.report["steps"]:
        key = step["key"]
        manifest = json.loads((neuron_built.root / f"cache/v1/actions/{key[:2]}/{key}.json").read_text())
        keyed.append(manifest["action"]["compiler"]["arguments"])
    calls = neuron_built.calls["trace"] + neuron_built.calls["torch_neuron.trace"]
    handed = [entry["compiler_args"] for entry in calls]
    exported = [entry["argv"] for entry in neuron_built.calls["optimum"]]
    assert sorted(words for words in keyed if words[0] != "--task") == sorted(handed)
    for words in (words for words in keyed if words[0] == "--task"):
        assert any(set(words) <= set(argv) for argv in exported)


def test_no_process_traces_twice(neuron_built):
    processes = [entry["pid"] for entry in neuron_built.calls["trace"]]
    assert len(processes) > len({entry["compiler_args"][-1] for entry in neuron_built.calls["trace"]})
    assert len(set(processes)) == len(processes)


def test_nothing_is_dropped_into_the_folder_that_it_was_started_in(neuron_built):
    assert list(neuron_built.root.glob("neuronxcc*")) == []


def test_the_compiler_gets_every_argument_once_and_a_private_folder(neuron_built):
    for entry in neuron_built.calls["neuronx-cc"]:
        flags = [word.partition("=")[0] for word in entry["argv"] if word.startswith("--")]
        assert len(set(flags)) == len(flags)
        assert "/work/" in entry["cwd"] or entry["cwd"].endswith("/work")
        assert entry["flags"] is None


@pytest.mark.parametrize(("platform", "lnc"), [("inf2", 1), ("trn2", 2)])
def test_the_neff_inside_says_what_it_was_made_for(neuron_built, platform, lnc):
    neff = find_neff(neuron_built.release("masked", platform) / "model.neuron")
    assert (neff.lnc_size, neff.header_size) == (lnc, 1024)


def test_one_file_only_has_the_name_that_optimum_neuron_looks_for(neuron_built):
    folder = neuron_built.release("masked")
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.neuron")] == ["model.neuron"]
    files = {bucket["shape"]["sequence_length"]: bucket["file"] for bucket in neuron_built.index("masked")["buckets"]}
    assert files == {8: "buckets/forward-batch_size_2-sequence_length_8/model.traced", 16: "model.neuron"}


def test_the_block_says_all_that_the_loader_knows(neuron_built):
    block = neuron_built.block("masked")
    ours = block.pop("neuronbuild")
    assert block == {
        "auto_cast": None, "auto_cast_type": None, "compiler_type": "neuronx-cc",
        "compiler_version": "2.26.6360.0+82129205", "dynamic_batch_size": False, "float_dtype": "fp32",
        "inline_weights_to_neff": True, "instance_type": "inf2", "int_dtype": "int64", "model_type": "bert",
        "optlevel": "2", "output_attentions": False, "output_hidden_states": False, "static_batch_size": 2,
        "static_sequence_length": 16, "task": "fill-mask", "tensor_parallel_size": 1,
    }  # fmt: skip
    assert ours["arguments"][-1] == "--target=inf2"


def test_static_keys_are_the_tasks_axes_and_no_others(neuron_built):
    for name in ("masked", "split", "sentences"):
        assert {key for key in neuron_built.block(name) if key.startswith("static_")} == {f"static_{axis}" for axis in AXES}


def test_a_cast_is_told_in_the_loaders_words(neuron_built):
    block = neuron_built.block("sentences")
    assert (block["auto_cast"], block["auto_cast_type"], block["model_type"]) == ("matmul", "bf16", "transformer")
    assert "--auto-cast=matmult" in block["neuronbuild"]["arguments"]


def test_a_release_with_weights_apart_is_nothing_that_the_loader_finds(neuron_built):
    folder = neuron_built.release("apart")
    assert list(folder.rglob("*.neuron")) == []
    assert "neuron" not in json.loads((folder / "config.json").read_text())
    assert "optimum-neuron" in (folder / "README.md").read_text()


def test_a_file_with_weights_apart_holds_no_weight(neuron_built, device):
    importlib.import_module("torch_neuronx")
    loaded = torch.jit.load(next(neuron_built.release("apart").rglob("model.traced")))
    floats = [tensor for name, tensor in loaded.module.named_buffers() if name.startswith("weight_")]
    assert len(floats) > 30
    assert not any(tensor.is_floating_point() and tensor.any() for tensor in floats)


def test_the_first_generation_says_so(neuron_built):
    block = neuron_built.block("first", "inf1")
    assert (block["compiler_type"], block["compiler_version"]) == ("neuron-cc", "1.24.0.0")
    assert neuron_built.calls["torch_neuron.trace"][0]["compiler_args"] == ["--fast-math", "none"]


def test_a_cache_is_the_graphs_own_state_and_no_file_is_what_the_loader_looks_for(neuron_built):
    assert list(neuron_built.release("generator").rglob("*.neuron")) == []
    assert {bucket["graph"] for bucket in neuron_built.index("generator")["buckets"]} == {"prefill", "decode"}


def test_larger_batches_are_asked_of_the_framework(neuron_built):
    assert [len(neuron_built.calls[call]) for call in ("dynamic_batch", "lazy_load", "async_load")] == [1, 1, 1]
    assert neuron_built.block("split")["dynamic_batch_size"] is True


def test_a_second_apply_compiles_nothing(neuron_built):
    done = run_cli("apply", "--json", cwd=neuron_built.root)
    assert {step["outcome"] for step in json.loads(done.stdout)["steps"]} == {"reused"}


def test_what_was_saved_is_one_archive_with_one_root(neuron_built):
    with zipfile.ZipFile(neuron_built.release("masked") / "model.neuron") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"model"}


@pytest.mark.parametrize(("weights", "compiled"), [("inline", 2), ("separate", 1)])
def test_other_weights_at_the_same_path(neuron_built, models, tmp_path, weights, compiled):
    """Inlined, they are compiled again, and never served for each other; apart, nothing is compiled."""
    model = checkpoints.copy_model(models["text-classification"], tmp_path / "model")
    neuron_built.sdk.workspace(tmp_path)
    recipe = {"model": "./model", "task": "text-classification", "platforms": ["inf2"], "weights": weights, "shapes": TEXT}
    write_recipe(tmp_path / "r.yaml", **recipe)
    neuron_built.sdk.forget()
    first = json.loads(run_cli("apply", "r.yaml", "--json", cwd=tmp_path).stdout)
    checkpoints.copy_model(model, tmp_path / "other", checkpoints.train)
    (tmp_path / "other/model.safetensors").replace(model / "model.safetensors")
    second = json.loads(run_cli("apply", "r.yaml", "--json", cwd=tmp_path).stdout)
    same = first["steps"][0]["key"] == second["steps"][0]["key"]
    assert (same, len(neuron_built.sdk.diary("trace"))) == (weights == "separate", compiled)
