"""The g++ before the real one: it may save work, and must change nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.tools import once_gxx

COUNTING = """#!/bin/sh
echo "$@" >> {log}
case "$*" in *broken*) exit 3;; esac
while [ $# -gt 0 ]; do [ "$1" = -o ] && echo "object of $3" > "$2"; shift; done
"""


@pytest.fixture
def gxx(tmp_path, monkeypatch):
    """A call of it, and how often the real one was called: a script that notes its words."""
    real, log = tmp_path / "real/g++", tmp_path / "log"
    real.parent.mkdir()
    real.write_text(COUNTING.format(log=log))
    real.chmod(0o755)
    monkeypatch.setenv("PATH", f"{real.parent}:/usr/bin:/bin")
    program = once_gxx.install(tmp_path / "bin") / "g++"
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> int:
        return subprocess.run([program, *words], check=False).returncode

    call.log = lambda: log.read_text().splitlines() if log.is_file() else []
    return call


def test_a_source_is_compiled_once_for_the_same_words(gxx):
    Path("a.cpp").write_text("int one;")
    Path("b.cpp").write_text("int one;")
    assert [gxx("-c", "-o", "a.o", "a.cpp"), gxx("-c", "-o", "b.o", "b.cpp")] == [0, 0]
    assert gxx.log() == ["-c -o a.o a.cpp"]
    assert Path("b.o").read_text() == Path("a.o").read_text()


def test_another_source_or_another_word_is_compiled(gxx):
    Path("a.cpp").write_text("int one;")
    gxx("-c", "-o", "a.o", "a.cpp")
    gxx("-O1", "-c", "-o", "a.o", "a.cpp")
    Path("a.cpp").write_text("int two;")
    gxx("-c", "-o", "a.o", "a.cpp")
    assert len(gxx.log()) == 3


def test_a_failure_stays_one_and_is_not_remembered(gxx):
    Path("broken.cpp").write_text("int")
    assert [gxx("-c", "-o", "a.o", "broken.cpp"), gxx("-c", "-o", "a.o", "broken.cpp")] == [3, 3]
    assert len(gxx.log()) == 2


def test_all_else_goes_to_the_real_one(gxx):
    gxx("--version")
    gxx("a.o", "b.o", "-shared", "-o", "c.so")
    assert gxx.log() == ["--version", "a.o b.o -shared -o c.so"]
