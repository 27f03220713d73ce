from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from neuronbuild.artifact.manifest import FileEntry, Manifest, Provenance
from neuronbuild.cli.plan import SHOWN, _lines, plan_command
from neuronbuild.errors import SourceError
from neuronbuild.store.location import open_store
from tests.conftest import TEXT, run_cli, write_recipe
from tests.doubles.toolchain import fake_plan
from tests.flows.test_untrusted_input import CONFIG, WEIGHTS
from tests.tools.terminal import command_on_terminal, seen_on_terminal


def known_store(steps: int):
    """A store that has the first so many fake steps."""
    store = open_store("memory:")
    files = (FileEntry("model.pt2", store.add_bytes(b"code")),)
    for step in fake_plan(steps, store).steps:
        store.record(Manifest(step.action.key, step.action.record, files, Provenance("test", "2026-01-01T00:00:00Z", 1.0)))
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


def test_graphs_shapes_and_keys_stand_in_columns_however_long_they_are():
    made = fake_plan([1, 1000, 20], known_store(1))
    first, second, third = made.steps
    lines = list(
        _lines(replace(made, steps=(first, replace(second, target=replace(second.target, graph="decode_all")), third)))
    )
    steps = [line for line in lines if line.startswith(("  + ", "  = "))]
    assert len(steps) == 3
    for column in ("batch_size=", r"[0-9a-f]{12}  "):
        assert len({re.search(column, line).start() for line in steps}) == 1, column
    assert all(line[:14].rstrip() in {"  + forward", "  = forward", "  + decode_all"} for line in steps)


COLOURED = """
from neuronbuild.cli.output import put
from neuronbuild.cli.plan import _coloured, _lines
from tests.doubles.toolchain import fake_plan
from tests.unit.cli.test_plan import known_store
put(*_lines(fake_plan(2, known_store(1))), style=_coloured)
"""


def test_what_is_missing_is_yellow_what_is_there_green_and_headings_are_bold():
    heading, missing, there, summary = seen_on_terminal(COLOURED, "stdout").splitlines()
    assert heading.startswith("\x1b[1mfake  (fill-mask")
    assert missing.startswith("\x1b[33m\x1b[1m  + \x1b[0mforward")
    assert there.startswith("\x1b[32m\x1b[1m  = \x1b[0mforward")
    assert summary.startswith("\x1b[1mPlan: 2 targets")


@pytest.fixture
def workspace(tmp_path):
    """A recipe for a model that has all that a plan looks at."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model/model.safetensors").write_bytes(WEIGHTS)
    write_recipe(tmp_path / "recipes/one.yaml", model="../model", task="fill-mask", shapes=TEXT)
    return tmp_path


def test_a_plan_is_coloured_on_terminals_unless_no_color_is_set(workspace):
    plain = run_cli("plan", cwd=workspace).stdout
    assert "  + forward" in plain
    assert "\x1b" not in plain
    coloured = command_on_terminal("plan", cwd=workspace, columns=200)
    assert "\x1b[33m\x1b[1m  + \x1b[0mforward" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert command_on_terminal("plan", cwd=workspace, columns=200, NO_COLOR="1") == plain


BERT = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
WHOLE = {"config.json": BERT, "model.safetensors": None}
ADAPTER = {"adapter_config.json": {"peft_type": "LORA"}, "adapter_model.safetensors": None}
MODULES = {
    "modules.json": [
        {"idx": 0, "name": "0", "path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ],
    "1_Pooling/config.json": {"embedding_dimension": 32, "pooling_mode": "mean"},
}


def quantized(**said):
    return {**WHOLE, "config.json": {**BERT, "quantization_config": said}}


def within(files):
    return {f"0_Transformer/{name}": content for name, content in files.items()}


CHECKPOINTS = {
    "GPTQ": (quantized(quant_method="gptq", bits=4), "its weights are quantized (gptq: quantization_config in config.json)"),
    "bitsandbytes": (quantized(quant_method="bitsandbytes", load_in_8bit=True), "its weights are quantized (bitsandbytes: "),
    "compressed tensors": (quantized(quant_method="compressed-tensors", format="float-quantized"), "(compressed-tensors: "),
    "a method that nobody knows": (quantized(bits=3), "its weights are quantized (an unnamed method: "),
    "quantized, in a folder of its own": (
        {**MODULES, **within(quantized(quant_method="gptq"))},
        "its weights are quantized (gptq: quantization_config in config.json)",
    ),
    "a file beside the config": ({**WHOLE, "quantize_config.json": {"bits": 4}}, "(GPTQ: quantize_config.json)"),
    "an adapter beside the model": ({**WHOLE, **ADAPTER}, "an adapter lies beside it (adapter_config.json)"),
    "an adapter alone": (ADAPTER, "it is an adapter (adapter_config.json) and not a whole model"),
    "an adapter, in a folder of its own": (
        {**MODULES, **within({**WHOLE, **ADAPTER})},
        "an adapter lies beside it (adapter_config.json)",
    ),
    "a model in a folder that nothing names": (within(WHOLE), "there is one in its folder 0_Transformer: give that"),
}
"""Folders by what is the matter with them: their files, and what `plan` says. `None` stands for weights."""


CONVBERT = {"model_type": "convbert", "architectures": ["ConvBertForMaskedLM"]}


@pytest.mark.parametrize(("release", "warned"), [("2.31.0", True), ("2.30.0", False)])
def test_known_trouble_is_told_before_anything_is_compiled(workspace, release, warned):
    (workspace / "model/config.json").write_text(json.dumps(CONVBERT))
    keys = {"model": "../model", "task": "fill-mask", "platforms": ["inf2", "trn1"], "shapes": TEXT}
    write_recipe(workspace / "neuron/words.yaml", **keys)
    arguments = [str(workspace / "neuron"), "--sdk", release, "--cache", str(workspace / "store")]
    people = CliRunner().invoke(plan_command, arguments, standalone_mode=False, catch_exceptions=False)
    program = CliRunner().invoke(plan_command, [*arguments, "--json"], standalone_mode=False, catch_exceptions=False)
    lines = [line for line in people.stderr.splitlines() if line.startswith("warning: ")]
    assert [line.partition(":")[2].partition(":")[0] for line in lines] == [" words on inf2", " words on trn1"] * warned
    assert all("SIGSEGV" in line and "aws-neuron-sdk#1265" in line and "plan for SDK 2.30.0" in line for line in lines)
    told = json.loads(program.stdout).get("warnings", [])
    assert [(each["recipe"], each["platform"], each["steps"]) for each in told] == [
        ("words", platform, 1) for platform in ("inf2", "trn1") if warned
    ]


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_would_be_loaded_otherwise_stops_the_plan_at_the_recipes_line(name, tmp_path):
    files, told = CHECKPOINTS[name]
    for path, content in files.items():
        file = tmp_path / "model" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("weights" if content is None else json.dumps(content))
    task = "sentence-similarity" if "modules.json" in files else "fill-mask"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"task: {task}\nshapes: {json.dumps(TEXT)}\n\nmodel: ./model\n")
    arguments = [str(recipe), "--cache", str(tmp_path / "store")]
    done = CliRunner().invoke(plan_command, arguments, standalone_mode=False, catch_exceptions=False)
    assert done.return_value == SourceError.exit_code
    assert done.stdout == ""
    assert "recipe.yaml:4:1: model ./model: " in done.stderr
    assert told in done.stderr
