from __future__ import annotations

import ast
import importlib.util
import inspect
import subprocess
import sys

import pytest

from neuronbuild.worker import inductor, registry
from neuronbuild.worker.errors import JobError, UserError
from tests.conftest import ROOT


def test_every_kind_of_job_and_every_toolchain_has_a_module_that_is_there():
    tree = ast.parse(inspect.getsource(registry))
    lazy = {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.module for alias in node.names
    }
    assert {"weights", "check", "lowering", "selftest", *registry.TOOLCHAINS} <= lazy
    assert [name for name in lazy if importlib.util.find_spec(f"neuronbuild.worker.{name}") is None] == []


def test_a_toolchain_is_the_module_of_its_name():
    assert registry.toolchain_of({"toolchain": {"name": "inductor"}}) is inductor


def test_a_toolchain_without_a_module_is_refused():
    with pytest.raises(UserError, match="this worker knows no toolchain 'gcc'"):
        registry.toolchain_of({"toolchain": {"name": "gcc"}})


def test_a_check_is_handed_the_toolchain_of_its_action(monkeypatch):
    monkeypatch.setattr("neuronbuild.worker.check.check_release", lambda job, toolchain: {"checks": [job["model"], toolchain]})
    job = {"kind": "check", "model": "here", "action": {"toolchain": {"name": "inductor"}}}
    assert registry.function_of(job)(job) == {"checks": ["here", inductor]}


def test_graphs_that_the_worker_cannot_run_are_not_checked():
    job = {"kind": "check", "action": {"toolchain": {"name": "optimum"}}}
    with pytest.raises(JobError, match="graphs of toolchain optimum can't be run by the worker"):
        registry.function_of(job)(job)


def test_any_kind_of_job_may_be_prepared_for_and_only_some_import_something():
    assert registry.PREPARATIONS.keys() <= registry.KINDS.keys()
    registry.prepare("none")


def modules_after(statement: str) -> set[str]:
    """The modules that a new process has imported once it has run a statement over the registry."""
    program = f"import sys; from neuronbuild.worker import registry; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_preparing_for_compiles_imports_what_models_stand_on_and_no_toolchain():
    imported = modules_after("registry.prepare('compile')")
    assert {"transformers.modeling_utils", "neuronbuild.worker.weights"} <= imported
    assert [name for name in registry.TOOLCHAINS if f"neuronbuild.worker.{name}" in imported] == []


def test_what_optimum_neuron_exports_in_another_process_takes_no_framework_in_this_one():
    imported = modules_after("registry.toolchain_of({'toolchain': {'name': 'optimum'}})")
    assert "neuronbuild.worker.optimum" in imported
    assert not {"torch", "transformers", "numpy"} & imported
