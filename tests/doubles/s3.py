"""S3 servers as processes on loopback: real ones, one that takes anything, and one that ignores conditional headers."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.limits import SOON

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_DEFAULT_REGION": "us-east-1"}
READER = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "reader-secret"}
"""Of one who may only read, on a server that knows such."""

BUCKET = "team"
PATIENCE = SOON

_numbers = itertools.count()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def location(endpoint: str, prefix: str | None = None, **options: object) -> str:
    """A place of one's own on a server."""
    prefix = f"p{os.getpid()}-{next(_numbers)}" if prefix is None else prefix
    more = "".join(f"&{name}={value}" for name, value in options.items())
    return f"s3://{BUCKET}/{prefix}?endpoint_url={endpoint}{more}"


def tool(name: str) -> str:
    """A program that came with a package of this environment."""
    path = Path(sys.executable).parent / name
    return str(path) if path.exists() else shutil.which(name) or name


def make_bucket(endpoint: str, name: str = BUCKET) -> None:
    """Make a bucket, with the plain library."""
    import boto3
    from botocore.config import Config

    client = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
    client.create_bucket(Bucket=name)


@contextlib.contextmanager
def running(command: list[str], port: int, folder: Path, env: dict[str, str] | None = None) -> Iterator[str]:
    """A server, from its first answer until the context is left."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **(env or {})})
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait(endpoint, process, folder / "log")
        yield endpoint
    finally:
        process.kill()  # what it holds is of no use to anybody, and one of them takes its time to end
        process.wait()


def _wait(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(endpoint, timeout=2)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{endpoint} doesn't answer:\n{log.read_text(errors='replace')[-3000:]}")


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Starts in two seconds; accepts whatever bytes arrive, whatever their checksum."""
    port = free_port()
    with running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port, folder) as endpoint:
        make_bucket(endpoint)
        yield endpoint


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """Refuses bad checksums and heeds conditions."""
    port = free_port()
    env = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "s3", "HOME": str(folder), "TMPDIR": str(folder)}
    with running([tool("ministack")], port, folder, env) as endpoint:
        make_bucket(endpoint)
        yield endpoint


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """A real object store: checks signatures and checksums, heeds conditions."""
    ports = {name: free_port() for name in ("s3.port", "master.port", "volume.port", "filer.port")}
    grpc = {name.replace("port", "port.grpc"): free_port() for name in ports}
    folder.mkdir(parents=True, exist_ok=True)
    team = _identity("team", CREDENTIALS, ["Admin", "Read", "List", "Tagging", "Write"])
    reader = _identity("reader", READER, ["Read", "List"])
    (folder / "s3.json").write_text(json.dumps({"identities": [team, reader]}))
    command = [
        tool("weed"), "server", "-s3", "-filer", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false",
        "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-volume.max=50", "-master.volumeSizeLimitMB=1024", f"-dir={folder}", f"-s3.config={folder / 's3.json'}",
        *(f"-{name}={port}" for name, port in {**ports, **grpc}.items()),
    ]  # fmt: skip
    with running(command, ports["s3.port"], folder) as endpoint:
        _retry(lambda: make_bucket(endpoint))
        yield endpoint


def _identity(name: str, credentials: dict[str, str], actions: list[str]) -> dict[str, object]:
    key = {"accessKey": credentials["AWS_ACCESS_KEY_ID"], "secretKey": credentials["AWS_SECRET_ACCESS_KEY"]}
    return {"name": name, "credentials": [key], "actions": actions}


@contextlib.contextmanager
def careless(folder: Path) -> Iterator[str]:
    """A server that ignores conditional headers without a word."""
    port = free_port()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    keys = f"{CREDENTIALS['AWS_ACCESS_KEY_ID']},{CREDENTIALS['AWS_SECRET_ACCESS_KEY']}"
    command = [tool("rclone"), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", keys, str(folder / "data")]
    with running(command, port, folder, {"RCLONE_CONFIG": "/notfound"}) as endpoint:
        make_bucket(endpoint)
        yield endpoint


def _retry(work: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            work()
        except Exception:  # the servers say many things while they start
            if time.monotonic() > end:
                raise
            time.sleep(0.3)
        else:
            return


SERVERS = {"moto": moto, "ministack": ministack, "seaweedfs": seaweedfs, "careless": careless}
