"""Two clones of a workspace, with caches of their own and one S3 server: real compiles, and what goes wrong meanwhile."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from neuronbuild.store.location import open_store
from tests.conftest import run_cli, write_recipe
from tests.doubles import s3
from tests.doubles.proxy import Proxy
from tests.doubles.toolchain import wait_until
from tests.flows.processes import start, wait_for_text
from tests.flows.stores import applied, contents, flip_a_byte
from tests.limits import LONG

TASKS = ("text-classification", "fill-mask", "feature-extraction")
SHAPES = {"batch_size": [1, 2], "sequence_length": 12}
OUTAGE = 10.0
PATIENCE = LONG


@pytest.fixture
def clones(models, servers, tmp_path):
    """Two folders with the same recipes, the proxy before their common store, and its location."""
    proxy = Proxy(servers("seaweedfs"))
    remote = s3.location(proxy.endpoint)
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        for task in TASKS:
            model = str(models[task])
            write_recipe(folder / f"recipes/{task}.yaml", model=model, task=task, shapes=SHAPES, compiler={"optlevel": 1})
        (folder / "neuronbuild.yaml").write_text(f"remote: {remote}\nlimits: {{jobs: 1, lease: 20}}\n")
    yield *folders, proxy, remote
    proxy.close()


def built(*logs: Path) -> Counter[str]:
    """How often each step was compiled, by what the commands said."""
    return Counter(name for log in logs if log.exists() for name in re.findall(r"\] built (.+) in ", log.read_text()))


@pytest.mark.soak
def test_each_action_is_compiled_once_through_a_kill_a_damaged_blob_and_an_outage(clones):
    one, other, proxy, remote = clones
    logs = [one / "log1", one / "log2", other / "log"]
    killed = start("apply", cwd=one, log="log1")
    wait_until(lambda: built(logs[0]) and len(list(open_store(remote).manifests())) >= 1, seconds=PATIENCE)
    wait_until(lambda: logs[0].read_text().count("compiling ") > sum(built(logs[0]).values()), seconds=PATIENCE)
    killed.kill()
    killed.communicate()

    (recorded, *_) = open_store(remote).manifests()
    file = recorded.files[0].digest.sha256
    flip_a_byte(one / f"cache/v1/blobs/sha256/{file[:2]}/{file}")

    both = [start("apply", "--json", cwd=one, log="log2"), start("apply", "--json", cwd=other, log="log")]
    wait_until(lambda: sum(built(*logs).values()) >= 3, seconds=PATIENCE)
    with proxy.away():
        time.sleep(OUTAGE)
    reports = [json.loads(process.communicate(timeout=PATIENCE)[0]) for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert all(report["failures"] == [] for report in reports)
    assert len(built(*logs)) == len(TASKS) * len(SHAPES["batch_size"])
    assert set(built(*logs).values()) == {1}
    assert min(sum(built(log).values()) for log in logs) >= 1
    assert contents(one / "releases") == contents(other / "releases")
    for folder in (one, other):
        verified = run_cli("cache", "verify", "--json", cwd=folder)
        assert verified.returncode == 0, verified.stdout
        assert applied(cwd=folder)["summary"]["built"] == 0
        release = folder / "releases/fill-mask-cpu"
        assert run_cli("run", release, "the cat sits on [MASK]", cwd=folder).returncode == 0
    wait_for_text(logs[2], "shared with")
