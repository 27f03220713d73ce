from __future__ import annotations

import ast
import importlib.util
import inspect

import pytest

from neuronbuild.worker import inductor, registry
from neuronbuild.worker.errors import JobError, UserError


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
