"""On doubles of the SDK's environments, asked by real processes."""

from __future__ import annotations

import json
import os
import time

import pytest

from neuronbuild.errors import ToolchainError
from neuronbuild.toolchain import interpreter
from neuronbuild.toolchain.interpreter import Installed, ask, locate, neuronx_faults, search_path
from tests.doubles.neuron_sdk import PLACEHOLDERS, install_sdk


@pytest.fixture
def sdk(tmp_path):
    return install_sdk(tmp_path / "sdk")


def ask_now(sdk) -> Installed:
    return ask(str(sdk.python), None)


def problems(sdk) -> list[str]:
    return [fault.problem for fault in neuronx_faults(ask_now(sdk))]


def advice(sdk) -> str:
    return " ".join(fault.advice for fault in neuronx_faults(ask_now(sdk)))


def test_versions_come_with_the_compilers_build(sdk):
    found = ask_now(sdk)
    assert (found.compiler, found.lineage) == ("2.26.6360.0+82129205", "xla")
    assert found.packages["torch-neuronx"] == "2.9.0.2.15.32035"


def test_a_sound_environment_has_no_faults(sdk):
    assert problems(sdk) == []


def test_the_empty_packages_from_pypi_are_told_with_the_right_index(sdk):
    for name, version in PLACEHOLDERS.items():
        sdk.package(name, version)
    assert {problem.partition(" ")[0] for problem in problems(sdk) if "PyPI" in problem} == set(PLACEHOLDERS)
    assert "https://pip.repos.neuron.amazonaws.com" in advice(sdk)


def test_the_other_product_of_the_same_name_is_told(sdk):
    sdk.package("torch-neuronx", "2.13.3.0.1")
    assert ask_now(sdk).lineage == "native"
    assert problems(sdk) == ["torch-neuronx 2.13.3.0.1 is TorchNeuron, which has no `trace`"]
    assert "torch-neuronx==2.9.0.2.15.32035" in advice(sdk)


def test_the_traced_lineage_needs_torch_xla(sdk):
    sdk.package("torch-xla", None)
    assert ask_now(sdk).lineage == "xla"
    assert problems(sdk) == ["torch-xla is not installed"]


def declare(sdk, *, requires: str = "", entry_points: str = "") -> Installed:
    """What is found where torch-neuronx, in a version that says nothing, declares this."""
    (folder,) = sdk.site.glob("torch_neuronx-*.dist-info")
    metadata = f"Metadata-Version: 2.1\nName: torch-neuronx\nVersion: 3.0\nRequires-Dist: torch\n{requires}\n"
    (folder / "METADATA").write_text(metadata)
    (folder / "entry_points.txt").write_text(entry_points)
    return ask_now(sdk)


def test_the_lineage_is_what_the_package_declares_and_needs_no_import(sdk):
    (sdk.site / "torch_neuronx/__init__.py").write_text("raise RuntimeError('imported')")
    assert declare(sdk, entry_points="[torch_dynamo_backends]\nneuron = torch_neuronx.dynamo:neuron\n").lineage == "native"
    assert declare(sdk, entry_points="[torch.backends]\ntorch_neuronx = torch_neuronx:_autoload\n").lineage == "native"
    for requires in ("torch-xla==2.9.*", "torch_xla (>=2.9)", "torch-xla", 'Torch-XLA ; python_version > "3.8"'):
        assert declare(sdk, requires=f"Requires-Dist: {requires}").lineage == "xla"


def test_what_others_declare_is_no_lineage(sdk):
    other = declare(sdk, requires="Requires-Dist: torch-xla-tools", entry_points="[console_scripts]\nneuron = a:b\n")
    assert (other.declared, other.lineage) == ("", "native")


@pytest.mark.parametrize(
    ("version", "lineage"),
    [("1.13.1.1.17.0", "xla"), ("2.9.0.2.15.32035", "xla"), ("2.10.0.3.0.1", "native"), ("2.13.3.0.1", "native")],
)
def test_one_that_declares_nothing_is_told_by_the_torch_that_it_is_for(version, lineage):
    assert Installed("python", packages={"torch-neuronx": version}).lineage == lineage


def test_no_backend_loads_itself_while_an_interpreter_is_asked(sdk, monkeypatch):
    monkeypatch.setenv("TORCH_DEVICE_BACKEND_AUTOLOAD", "1")
    spy = f"import os; open({str(sdk.root / 'seen')!r}, 'w').write(os.environ['TORCH_DEVICE_BACKEND_AUTOLOAD'])"
    (sdk.site / "sitecustomize.py").write_text(spy)
    ask_now(sdk)
    assert (sdk.root / "seen").read_text() == "0"


@pytest.mark.parametrize("name", ["torch-neuronx", "neuronx-cc", "libneuronxla"])
def test_what_is_missing_is_named(sdk, name):
    sdk.package(name, None)
    assert f"{name} is not installed" in problems(sdk)


def test_a_compiler_that_isnt_on_path_is_told(sdk):
    (sdk.root / "bin/neuronx-cc").unlink()
    assert problems(sdk) == ["the compiler neuronx-cc is not on PATH"]


def test_a_compiler_of_another_environment_is_told(sdk):
    sdk.set(compiler="2.25.3371.0")
    assert problems(sdk) == ["the command neuronx-cc is 2.25.3371.0+82129205, the package is 2.26.6360.0+82129205"]


def test_a_compiler_without_a_build_number_is_one_all_the_same(sdk):
    sdk.set(build="")
    assert ask_now(sdk).compiler == "2.26.6360.0"
    assert problems(sdk) == []


def test_an_answer_is_remembered_until_the_packages_change(sdk, tmp_path, monkeypatch):
    monkeypatch.setattr(interpreter, "SETTLED", 0.0)
    notes = tmp_path / "notes.json"
    first = ask(str(sdk.python), notes)
    remembered = json.loads(notes.read_text())
    (entry,) = remembered.values()
    entry[2]["packages"]["torch"] = "from memory"
    notes.write_text(json.dumps(remembered))
    assert ask(str(sdk.python), notes).packages["torch"] == "from memory"
    sdk.package("torch", "2.8.0")
    os.utime(sdk.site, ns=(time.time_ns(), time.time_ns()))
    assert ask(str(sdk.python), notes).packages == {**first.packages, "torch": "2.8.0"}


def test_what_has_just_changed_isnt_remembered(sdk, tmp_path):
    os.utime(sdk.site)
    ask(str(sdk.python), tmp_path / "notes.json")
    assert not (tmp_path / "notes.json").exists()


def test_an_answer_of_an_older_version_is_asked_for_again(sdk, tmp_path, monkeypatch):
    monkeypatch.setattr(interpreter, "SETTLED", 0.0)
    notes = tmp_path / "notes.json"
    ask(str(sdk.python), notes)
    remembered = json.loads(notes.read_text())
    for entry in remembered.values():
        del entry[2]["lineage"]
        entry[2]["packages"]["torch"] = "from memory"
    notes.write_text(json.dumps(remembered))
    assert ask(str(sdk.python), notes).packages["torch"] == "2.9.0"


@pytest.mark.parametrize("notes", ["", "[]", '{"x": 1}', '{"x": [[], [], {}]}'])
def test_notes_that_are_damaged_are_no_notes(sdk, tmp_path, notes):
    (tmp_path / "notes.json").write_text(notes)
    assert ask(str(sdk.python), tmp_path / "notes.json").lineage == "xla"


def test_an_interpreter_that_isnt_there_is_told(tmp_path):
    with pytest.raises(ToolchainError, match="no such interpreter") as caught:
        ask(str(tmp_path / "python"), None)
    assert "neuronbuild.yaml" in caught.value.hint


def test_one_that_says_nothing_is_told():
    with pytest.raises(ToolchainError, match="gives no answer"):
        ask("true", None)


def test_its_own_compilers_come_first(sdk):
    assert search_path(locate(str(sdk.python))).split(os.pathsep)[0] == str(sdk.root / "bin")


def test_a_link_is_left_as_it_is(sdk):
    assert locate(str(sdk.python)) == str(sdk.python)
