from __future__ import annotations

import errno
import importlib.util
import sys

import pytest

from neuronbuild.build.process import WORKER
from tests.doubles.fake_worker import load_worker


@pytest.fixture(scope="module")
def serve():
    yield load_worker(WORKER)
    for name in [name for name in sys.modules if name.partition(".")[0] == "worker"]:
        del sys.modules[name]


def test_what_a_person_can_mend_is_told_in_full(serve):
    assert serve.describe(serve.UserError("this\nand that")) == {"class": "user", "message": "this\nand that"}


def test_a_fault_of_the_compilers_is_told_in_a_line_with_its_type(serve):
    assert serve.describe(ValueError("first\nsecond")) == {"class": "internal", "message": "ValueError: first second"}
    assert serve.describe(KeyError()) == {"class": "internal", "message": "KeyError: KeyError"}


def test_a_message_is_one_line_with_its_type_where_it_would_be_a_riddle(serve):
    assert serve.one_line(ValueError("first\n  second")) == "first second"
    assert serve.one_line(KeyError("gelu")) == "KeyError: 'gelu'"
    assert serve.one_line(ValueError()) == "ValueError"
    assert len(serve.one_line(ValueError("long " * 1000))) == serve.MOST


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: Error code 12 (Cannot allocate memory)"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("g++: fatal error: Killed signal terminated program cc1plus"),
    ],
)
def test_want_of_memory_is_told_from_other_faults(serve, error):
    assert serve.describe(error)["class"] == "memory"


def test_the_systems_faults_are_no_faults_of_the_compiler(serve):
    assert serve.describe(OSError(errno.ENOSPC, "No space left on device"))["class"] == "system"
    assert serve.describe(OSError("of no number"))["class"] == "internal"


def test_every_kind_of_job_names_a_module_that_is_there(serve):
    modules = {module for module, _ in serve.KINDS.values() if module is not None}
    for module in (*modules, *serve.TOOLCHAINS):
        assert importlib.util.find_spec(f"worker.{module}")
