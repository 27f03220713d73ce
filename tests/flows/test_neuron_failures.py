"""Every failure of the Neuron compilers that is on record, replayed by doubles: message, class and policy of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neuronbuild import api
from neuronbuild.api import Settings
from neuronbuild.api.prepare import Context, prepare
from neuronbuild.build.workbench import Workbench
from neuronbuild.recipe.schema import Interpreter
from neuronbuild.store.location import open_store
from tests.conftest import make_model, run_cli, write_recipe
from tests.doubles.neuron_sdk import install_inf1, install_sdk
from tests.doubles.toolchain import Recorder, is_gone, wait_until
from tests.tools.tiny import OWN_ENCODER

REPLAYS = {
    "cc user": ("user", "NCC_EVRF001 Operator custom-hum is not supported", 1),
    "cc refused": ("user", "status 1, error: something without a code", 1),
    "cc internal": ("internal", "NCC_ILSM901", 2),
    "cc killed": ("memory", "killed for want of memory", 2),
    "cc f137": ("memory", "killed for want of memory", 2),
    "cc hbm": ("user", "doesn't fit into the device's memory", 1),
    "cc segfault": ("crash", "neuronx-cc crashed with SIGSEGV", 2),
    "cc disk": ("system", "no space left on device", 1),
    "cc-output missing": ("output", "no NEFF", 2),
    "cc-output short": ("output", "no NEFF", 2),
    "cc-output garbage": ("output", "no NEFF", 2),
    "cc-output wrong-lnc": ("output", "is for 2 physical cores a core, 1 was asked for", 2),
    "trace operator": ("user", "torch_neuronx can't trace this model: The operator aten::hum", 1),
    "trace odd": ("internal", "torch_neuronx.trace failed: INTERNAL", 2),
    "trace not-installed": ("user", "neuronx-cc is not installed", 1),
    "trace disk": ("system", "No space left on device", 1),
    "trace segfault": ("crash", "crashed with SIGSEGV", 2),
    "save disk": ("system", "no space left on device", 1),
    "save short": ("output", "damaged archive|no NEFF", 2),
}
"""Stage and mishap: the class it is told as, its message, and how often it was tried."""

INF1_REPLAYS = {
    "trace cpu-only": ("user", "nothing of this model was compiled for inf1", 1),
    "trace nothing": ("user", "neuron-cc could compile no part of this model", 1),
    "trace timeout": ("timeout", "neuron-cc took longer than 300 s", 1),
    "trace segfault": ("crash", "crashed with SIGSEGV", 2),
    "trace disk": ("system", "No space left on device", 1),
    "save disk": ("system", "no space left on device", 1),
    "save short": ("output", "a damaged archive", 2),
    "partition another-part": ("memory", "killed for want of memory", 2),
    "neuron-cc user": ("user", "can't compile this model: status 1, neuron-cc: error: the operator custom-hum", 1),
    "neuron-cc user-left": ("user", "the operator custom-hum", 1),
    "neuron-cc internal": ("internal", "failed with an internal error (70)", 2),
    "neuron-cc internal-left": ("internal", "failed with an internal error (70)", 2),
    "neuron-cc killed": ("memory", "killed for want of memory", 2),
    "neuron-cc killed-left": ("memory", "killed for want of memory", 2),
    "neuron-cc f137": ("memory", "killed for want of memory", 2),
    "neuron-cc segfault": ("crash", "neuron-cc crashed with SIGSEGV", 2),
    "neuron-cc disk": ("system", "no space left on device", 1),
    "neuron-cc missing": ("output", "left no graph_def.neff", 2),
    "neuron-cc short": ("output", "left a short graph_def.neff", 2),
}
"""The framework leaves a part of a graph on the CPU if its compiler fails (`-left`), and says so in its log only."""


class Replayed:
    """One `apply` in which everything goes wrong that can, each at a batch size of its own."""

    def __init__(self, root: Path, sdk, platform: str, model: Path, replays: dict, more: dict) -> None:
        self.names = {name: index + 2 for index, name in enumerate([*replays, *more])}
        acts = {name.partition(" ")[0] + f" {step}": name.partition(" ")[2] for name, step in self.names.items()}
        sdk.set(acts=acts)
        shapes = {"batch_size": [1, *self.names.values()], "sequence_length": 8}
        write_recipe(root / "r.yaml", model=str(model), task="fill-mask", platforms=[platform], shapes=shapes)
        places = {name: Interpreter(python=str(sdk.python)) for name in ("neuronx", "neuron")}
        self.settings = Settings(
            cache=str(root / "cache"), output=root / "out", scratch=root / "scratch", interpreters=places, keep_going=True,
            jobs=1, timeout=300.0,
        )  # fmt: skip
        self.progress = Recorder()
        self.located = api.load_recipes([root / "r.yaml"])
        report = api.apply(self.located, self.settings, self.progress)
        self.outcomes = {out.step.target.shape.as_dict()["batch_size"]: out for out in report.outcomes}
        self.releases = report.releases

    def of(self, name: str):
        return self.outcomes[self.names[name]]

    def tries(self, name: str) -> int:
        return self.progress.started_steps.count(self.names[name])


@pytest.fixture(scope="module")
def neuronx(models, tmp_path_factory) -> Replayed:
    root = tmp_path_factory.mktemp("neuronx-failures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURON_CC_FLAGS", "-O1 --model-type=generic")
        patch.setenv("NEURON_LOGICAL_NC_CONFIG", "2")
        sdk = install_sdk(root / "sdk")
        made = Replayed(root, sdk, "inf2", models["fill-mask"], REPLAYS, {"cc internal once": None})
        made.sdk = sdk
        return made


@pytest.fixture(scope="module")
def inf1(models, tmp_path_factory) -> Replayed:
    root = tmp_path_factory.mktemp("inf1-failures")
    sdk = install_inf1(root / "sdk")
    more = {"trace partial": None, "neuron-cc internal once": None}
    made = Replayed(root, sdk, "inf1", models["fill-mask"], INF1_REPLAYS, more)
    made.sdk = sdk
    return made


@pytest.mark.parametrize("name", REPLAYS)
def test_a_failure_is_told_for_what_it_is(neuronx, name):
    kind, message, tries = REPLAYS[name]
    outcome = neuronx.of(name)
    assert (outcome.kind, outcome.error.kind, neuronx.tries(name)) == ("failed", kind, tries)
    assert any(part in outcome.error.message for part in message.split("|")), outcome.error.message


@pytest.mark.parametrize("name", REPLAYS)
def test_a_failure_is_never_in_the_store(neuronx, name):
    store = open_store(neuronx.settings.cache)
    assert store.lookup(neuronx.of(name).step.action.key) is None


def test_what_failed_once_and_passed_then_is_built(neuronx):
    assert (neuronx.of("cc internal once").kind, neuronx.tries("cc internal once")) == ("built", 2)


def test_what_didnt_fail_is_built_all_the_same(neuronx):
    assert neuronx.outcomes[1].kind == "built"
    assert neuronx.releases == ()


def test_the_log_and_the_compilers_own_folder_are_kept(neuronx):
    log = Path(neuronx.of("cc internal").error.log)
    assert "NCC_ILSM901" in log.read_text()
    assert (log.with_suffix(".work") / "neuronxcc-a1b2c3d4").is_dir()
    assert (log.with_suffix(".work") / "log-neuron-cc.txt").is_file()


def test_the_callers_environment_changes_no_compile(neuronx):
    calls = neuronx.sdk.diary("neuronx-cc")
    assert {entry["flags"] for entry in calls} == {None}
    assert not any("generic" in word for entry in calls for word in entry["argv"])


@pytest.mark.parametrize("name", INF1_REPLAYS)
def test_a_failure_on_the_first_generation_is_told_for_what_it_is(inf1, name):
    kind, message, tries = INF1_REPLAYS[name]
    outcome = inf1.of(name)
    assert (outcome.kind, outcome.error.kind, inf1.tries(name)) == ("failed", kind, tries), outcome.error
    assert message in outcome.error.message


def test_no_failure_of_the_first_generation_is_in_the_store(inf1):
    store = open_store(inf1.settings.cache)
    assert [name for name in INF1_REPLAYS if store.lookup(inf1.of(name).step.action.key) is not None] == []


def test_what_failed_once_on_the_first_generation_is_built(inf1):
    assert (inf1.of("neuron-cc internal once").kind, inf1.tries("neuron-cc internal once")) == ("built", 2)


def test_the_share_that_is_left_on_the_cpu_is_recorded_and_told(inf1):
    manifest = inf1.of("trace partial").manifest
    assert 0 < manifest.facts["cpu_share"] < 0.2
    assert any("of the operators are left on the CPU: aten::neg" in note for note in inf1.progress.notes)
    assert inf1.outcomes[1].manifest.facts["cpu_share"] == 0


@pytest.mark.parametrize(("release", "kind", "tries"), [("2.31.0", "failed", 1), ("2.30.0", "built", 1)])
def test_a_model_that_is_known_to_end_the_tracer_is_tried_once_and_told_with_what_helps(tmp_path, release, kind, tries):
    make_model(tmp_path / "model", "AutoModelForMaskedLM", "convbert", **OWN_ENCODER["convbert"])
    sdk = install_sdk(tmp_path / "sdk", release)
    sdk.workspace(tmp_path / "work")
    keys = {"model": str(tmp_path / "model"), "task": "fill-mask", "platforms": ["inf2"]}
    write_recipe(tmp_path / "work/recipes/words.yaml", **keys, shapes={"batch_size": 1, "sequence_length": 8})
    done = run_cli("apply", "--json", cwd=tmp_path / "work")
    [step] = json.loads(done.stdout)["steps"]
    assert (step["outcome"], len(sdk.diary("trace"))) == (kind, tries), done.stderr
    if kind == "failed":
        assert step["error"]["class"] == "crash"
        assert "crashed with SIGSEGV, which is known: " in step["error"]["message"]
        assert "aws-neuron-sdk#1265" in step["error"]["message"]
        assert "plan for SDK 2.30.0" in step["error"]["message"]


HANGS = [("neuronx", "trace hang"), ("neuronx", "cc hang-with-child"), ("inf1", "trace hang"), ("inf1", "neuron-cc hang")]


@pytest.mark.parametrize(("environment", "mishap"), HANGS)
def test_a_compiler_that_hangs_is_stopped_with_all_that_it_started(request, tmp_path, environment, mishap):
    replayed = request.getfixturevalue(environment)
    context = Context.open(replayed.settings)
    each = prepare(replayed.located, context)[0]
    _, action = each.steps[0]
    toolchain = context.toolchains[each.options.toolchain, each.options.platform]
    stage, _, name = mishap.partition(" ")
    replayed.sdk.set(acts={})
    with Workbench(tmp_path / "work", 300.0) as bench:
        job = {"kind": "compile", "action": action.document, "model": each.located.recipe.model}
        for _ in range(2):  # the first one includes the worker's imports
            with bench.folder() as folder:
                whole = bench.run(toolchain, job, folder)
            assert whole.error is None
        replayed.sdk.set(acts={f"{stage} 1": name})
        bench._timeout = 3.0 + 3 * whole.seconds
        with bench.folder() as folder:
            answer = bench.run(toolchain, job, folder)
    assert (answer.error.kind, f"longer than {bench._timeout:g} s" in answer.error.message) == ("timeout", True)
    assert {"act": f"{stage} 1"} in replayed.sdk.diary()
    for entry in replayed.sdk.diary():
        if "process" in entry:
            wait_until(lambda process=entry["process"]: is_gone(process))
