"""An `apply` that fills itself from S3, killed at any moment: the next one writes its releases all the same."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from neuronbuild.store.care.verify import verify_store
from neuronbuild.store.location import open_store
from tests.conftest import run_cli
from tests.doubles import s3
from tests.flows.processes import start
from tests.flows.stores import applied, contents

RECIPES = ("text-classification", "fill-mask", "grid")


@pytest.fixture(scope="module")
def remote(built, servers) -> str:
    """A far store that has all of a few recipes."""
    remote = s3.location(servers("seaweedfs"))
    pushed = run_cli("cache", "push", *recipes(built), "--cache", built.cache, "--remote", remote, cwd=built.root)
    assert pushed.returncode == 0, pushed.stderr
    return remote


def recipes(built) -> list[Path]:
    return [built.recipes / f"{name}.yaml" for name in RECIPES]


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 120), marks=pytest.mark.soak)])
def test_after_a_kill_at_any_moment_of_an_apply_the_next_one_writes_the_same_releases(built, remote, tmp_path, seeds):
    expected = {name: contents(built.releases[name]) for name in RECIPES}
    far = open_store(remote)
    there = {(entry.name, entry.stamp) for entry in far.objects.list("v1/")}
    longest = 0.0
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        command = ["apply", *recipes(built), "--remote", remote, "--no-build"]
        if not longest:
            started = time.monotonic()
            applied(*command[1:], cwd=folder)
            longest = time.monotonic() - started
            continue
        killed = start(*command, cwd=folder)
        time.sleep(random.Random(seed).uniform(0.3, longest))
        killed.kill()
        killed.communicate()

        report = applied(*command[1:], cwd=folder)
        assert report["failures"] == []
        assert {name: contents(folder / f"releases/{name}-cpu") for name in RECIPES} == expected
        assert verify_store(open_store(str(folder / "cache")), repair=False).damages == ()
    assert there <= {(entry.name, entry.stamp) for entry in far.objects.list("v1/")}
    assert verify_store(far, repair=False).damages == ()
