"""The commands of a shared cache, through the command line, without a compiler."""

from __future__ import annotations

import json
import os
import time

import pytest

from neuronbuild.digest import digest_bytes
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, blob_name
from tests.conftest import run_cli
from tests.flows.stores import refused
from tests.unit.store.artifacts import contents, key_of, put


@pytest.fixture
def workspace(tmp_path, remote):
    """A folder with a near store of two artifacts, and an empty far one."""
    (tmp_path / "neuronbuild.yaml").write_text(f"remote: {remote}\n")
    for number in (1, 2):
        put(open_store(str(tmp_path / "cache")), number)
    return tmp_path


def said(*arguments: object, cwd, status: int = 0) -> dict:
    done = run_cli("cache", *arguments, "--json", cwd=cwd)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def test_push_pull_verify_and_stats(workspace, remote):
    pushed = said("push", cwd=workspace)
    assert pushed["stores"][0] | {"bytes": 0} == {
        "version": 1, "from": str(workspace / "cache"), "to": remote, "artifacts": 2, "present": 0, "bytes": 0, "left_out": [],
        "failures": [],
    }  # fmt: skip
    assert said("pull", "--cache", workspace / "other", cwd=workspace)["stores"][0]["artifacts"] == 2
    report = said("verify", cwd=workspace)
    assert (report["artifacts"], report["far"][0]["artifacts"], report["damages"]) == (2, 2, [])
    stats = said("stats", cwd=workspace)
    assert [store["artifacts"] for store in stats["stores"]] == [2, 2]
    assert run_cli("cache", "ls", "--remote", remote, cwd=workspace).stdout.count("\n") == 3


def test_damage_far_is_found_and_repaired(workspace, remote):
    said("push", cwd=workspace)
    name = blob_name(digest_bytes(contents(1)["model.pt2"]).sha256)
    open_store(remote).objects.write(name, bytes(40))
    report = said("verify", "--repair", cwd=workspace, status=1)
    assert {damage["name"] for damage in report["far"][0]["damages"]} == {name, action_name(key_of(1))}
    assert said("push", cwd=workspace)["stores"][0]["artifacts"] == 1
    assert said("verify", cwd=workspace)["far"][0]["damages"] == []


def test_keys_sign_and_are_required_and_are_never_shown(workspace, remote):
    public = run_cli("cache", "keygen", "keys/mine", cwd=workspace).stdout.strip()
    private = (workspace / "keys/mine").read_text().strip()
    assert public.startswith("ed25519:")
    refused(2, "cache", "keygen", "keys/mine", cwd=workspace)
    config = workspace / "neuronbuild.yaml"
    config.write_text(f"remote: {remote}\ntrusted_keys: ['{public}']\nsigning_key: keys/mine\n")
    report = said("verify", cwd=workspace, status=1)
    assert {damage["problem"] for damage in report["damages"]} == {"no trusted builder signed it"}
    config.write_text(f"remote: {remote}\nsigning_key: keys/mine\n")
    assert run_cli("cache", "sign", cwd=workspace).stdout == "2 signed\n"
    config.write_text(f"remote: {remote}\ntrusted_keys: ['{public}']\nsigning_key: keys/mine\n")
    assert said("verify", cwd=workspace)["damages"] == []
    said("push", cwd=workspace)
    for entry in [*open_store(remote).objects.list(""), *open_store(str(workspace / "cache")).objects.list("")]:
        assert private.encode() not in (open_store(remote).objects.read(entry.name) or b"")


def test_prune_says_first_and_then_does(workspace):
    then = time.time() - 86400
    store = open_store(str(workspace / "cache"))
    for entry in list(store.objects.list("v1/")):
        os.utime(store.objects.path(entry.name), (then, then))
    dry = said("prune", "--max-age", "2h", "--dry-run", cwd=workspace)
    assert set(dry["artifacts"]) == {key_of(1), key_of(2)}
    assert said("prune", "--max-age", "2h", cwd=workspace) == dry
    assert list(store.objects.list("v1/")) == []
    for wrong in (["--max-age", "soon"], ["--max-size", "much"], ["--grace", "x"]):
        assert "write" in refused(2, "cache", "prune", *wrong, cwd=workspace)


def test_without_a_far_store_it_says_how_to_name_one(tmp_path):
    assert "--remote" in refused(2, "cache", "push", cwd=tmp_path)


def test_a_location_that_cant_be_is_told(tmp_path):
    assert "no option 'regoin'" in refused(4, "cache", "pull", "--remote", "s3://team?regoin=x", cwd=tmp_path)
