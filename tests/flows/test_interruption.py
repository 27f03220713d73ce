"""Builds that are killed, interrupted, or not alone: real compiles, stopped early."""

from __future__ import annotations

import json
import signal

import pytest

from tests.conftest import write_recipe
from tests.doubles.toolchain import is_gone, wait_until
from tests.flows.processes import PATIENCE, descendants, runs_a_compiler, start, wait_for_text
from tests.flows.stores import applied, records


@pytest.fixture
def site(models, tmp_path):
    """A folder with one recipe that nobody has compiled; `optlevel` 1 is the quickest."""
    shapes = {"batch_size": 1, "sequence_length": 12}
    model = str(models["text-classification"])
    write_recipe(tmp_path / "recipes/one.yaml", model=model, shapes=shapes, compiler={"optlevel": 1})
    return tmp_path


def test_a_killed_apply_leaves_nothing_running_and_the_next_one_finishes(site):
    killed = start("apply", cwd=site)
    wait_until(lambda: runs_a_compiler(killed.pid), seconds=PATIENCE)
    below = descendants(killed.pid)
    killed.kill()
    killed.communicate()
    wait_until(lambda: all(map(is_gone, below)), seconds=10)
    assert records(site / "cache") == set()
    assert not (site / "releases").exists()

    report = applied(cwd=site)
    assert report["summary"]["built"] == 1
    assert (site / "releases/one-cpu/neuronbuild.json").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_and_its_like_stop_cleanly_and_say_what_was_done(site, number):
    before = signal.signal(number, signal.SIG_DFL)  # under nohup the tests ignore one, and what they start would too
    stopped = start("apply", cwd=site)
    signal.signal(number, before)
    wait_for_text(site / "stderr", "compiling one")
    wait_until(lambda: descendants(stopped.pid), seconds=PATIENCE)
    below = descendants(stopped.pid)
    stopped.send_signal(number)
    stopped.communicate(timeout=PATIENCE)
    said = (site / "stderr").read_text()
    assert stopped.returncode == 130
    assert "interrupted: 0 compiled, 0 reused, 1 skipped" in said
    assert "run the same command again to go on" in said
    assert "Traceback" not in said
    wait_until(lambda: all(map(is_gone, below)), seconds=10)
    assert records(site / "cache") == set()


def test_two_applies_at_once_compile_once(site):
    both = [start("apply", "--json", "--output", f"out{i}", cwd=site, log=f"stderr{i}") for i in (0, 1)]
    reports = [json.loads(process.communicate(timeout=5 * PATIENCE)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(step["outcome"] for report in reports for step in report["steps"]) == ["built", "reused"]
    said = (site / "stderr0").read_text() + (site / "stderr1").read_text()
    assert said.count("compiling one") == 1
    assert "waiting for another build of it" in said
    assert all((site / f"out{i}/one-cpu/neuronbuild.json").is_file() for i in (0, 1))
