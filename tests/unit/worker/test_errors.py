from __future__ import annotations

import errno
import typing

import pytest

from neuronbuild.build import report
from neuronbuild.worker import errors
from neuronbuild.worker.errors import JobError, UserError, describe, one_line


def test_what_a_person_can_mend_is_told_in_full():
    assert describe(UserError("this\nand that")) == {"class": "user", "message": "this\nand that"}


def test_a_fault_of_the_compilers_is_told_in_a_line_with_its_type():
    assert describe(ValueError("first\nsecond")) == {"class": "internal", "message": "ValueError: first second"}
    assert describe(KeyError()) == {"class": "internal", "message": "KeyError: KeyError"}


def test_an_error_of_a_known_class_keeps_it():
    assert describe(JobError("timeout", "too slow,\nout of memory")) == {
        "class": "timeout", "message": "too slow,\nout of memory",
    }  # fmt: skip


def test_a_message_is_one_line_with_its_type_where_it_would_be_a_riddle():
    assert one_line(ValueError("first\n  second")) == "first second"
    assert one_line(KeyError("gelu")) == "KeyError: 'gelu'"
    assert one_line(ValueError()) == "ValueError"
    assert len(one_line(ValueError("long " * 1000))) == errors.MAX_MESSAGE


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
def test_want_of_memory_is_told_from_other_faults(error):
    assert describe(error)["class"] == "memory"


def test_the_systems_faults_are_no_faults_of_the_compiler():
    assert describe(OSError(errno.ENOSPC, "No space left on device"))["class"] == "system"
    assert describe(OSError("of no number"))["class"] == "internal"


def test_the_builder_knows_every_class():
    classes = set(typing.get_args(errors.ErrorClass))
    assert {*report.RETRIED, report.MEMORY} < classes
    assert [name for name in classes if f"`{name}`" not in report.StepError.__doc__] == []
