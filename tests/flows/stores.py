"""What flows do around the command line: copies of stores, damage to them, and looks at what is in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.conftest import run_cli


def applied(*arguments: object, cwd: Path, **more) -> dict:
    """What `apply --json` says, once it went well."""
    done = run_cli("apply", *arguments, "--json", cwd=cwd, **more)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return {**json.loads(done.stdout), "stderr": done.stderr}


def refused(status: int, *arguments: object, cwd: Path, **more) -> str:
    """What a command that ends with that status says on stderr: never a traceback."""
    done = run_cli(*arguments, cwd=cwd, **more)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def folder_of(report: dict, recipe: str) -> Path:
    """Where a recipe's release is."""
    return next(Path(release["folder"]) for release in report["releases"] if release["recipe"] == recipe)


def copy_store(store: Path, folder: Path) -> Path:
    """A store of one's own, to add to and to damage."""
    shutil.copytree(store, folder, ignore=shutil.ignore_patterns("tmp", "index.json"))
    return folder


def records(store: Path) -> set[str]:
    """Everything that was ever compiled, converted or checked there, by key."""
    return {path.stem for path in (store / "v1/actions").glob("*/*.json")}


def manifest(store: Path, key: str) -> dict:
    """What an action produced."""
    return json.loads((store / f"v1/actions/{key[:2]}/{key}.json").read_text())


def blob_of(store: Path, key: str, path: str) -> Path:
    """Where one file of an artifact lies."""
    digest = next(file["digest"] for file in manifest(store, key)["files"] if file["path"] == path)
    return store / f"v1/blobs/sha256/{digest['sha256'][:2]}/{digest['sha256']}"


def flip_a_byte(file: Path) -> None:
    """Change one byte in the middle of a file, and nothing else about it."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.chmod(0o644)
    file.write_bytes(data)
    file.chmod(0o444)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
