"""The commands of a shared cache, through the command line, without a compiler."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

from neuronbuild.digest import digest_bytes
from neuronbuild.store.cas_reader import quarantine
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
        "version": 1, "from": str(workspace / "cache"), "to": remote, "artifacts": 2, "present": 0, "signed": 0, "bytes": 0,
        "left_out": [], "failures": [],
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
    for arguments in (["--repair"], ["--remote", remote, "--repair"]):
        report = said("verify", *arguments, cwd=workspace, status=1)
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
    report = said("verify", "--repair", cwd=workspace)
    assert (report["untrusted"], report["damages"]) == (2, [])
    assert "2 that no trusted builder signed" in run_cli("cache", "verify", cwd=workspace).stdout
    assert "signed by nobody" in run_cli("cache", "show", key_of(1), cwd=workspace).stdout
    config.write_text(f"remote: {remote}\nsigning_key: keys/mine\n")
    assert run_cli("cache", "sign", cwd=workspace).stdout == "2 signed\n"
    config.write_text(f"remote: {remote}\ntrusted_keys: ['{public}']\nsigning_key: keys/mine\n")
    assert said("verify", cwd=workspace)["damages"] == []
    assert f"signed by {public} (your signing key)" in run_cli("cache", "show", key_of(1), cwd=workspace).stdout
    said("push", cwd=workspace)
    for entry in [*open_store(remote).objects.list(""), *open_store(str(workspace / "cache")).objects.list("")]:
        assert private.encode() not in (open_store(remote).objects.read(entry.name) or b"")


def test_somebody_with_other_keys_repairs_nothing_away(workspace, remote):
    said("push", cwd=workspace)
    before = {entry.name for entry in open_store(remote).objects.list("")}
    other = run_cli("cache", "keygen", "keys/other", cwd=workspace).stdout.strip()
    (workspace / "neuronbuild.yaml").write_text(f"remote: {remote}\ntrusted_keys: ['{other}']\n")
    report = said("verify", "--repair", "--remote", remote, cwd=workspace)
    assert (report["untrusted"], report["far"][0]["untrusted"], report["far"][0]["damages"]) == (2, 2, [])
    assert {entry.name for entry in open_store(remote).objects.list("")} == before


def test_what_was_put_aside_far_is_brought_back(workspace, remote):
    said("push", cwd=workspace)
    far = open_store(remote)
    before = {entry.name for entry in far.objects.list("")}
    for entry in list(far.objects.list("v1/")):
        quarantine(far.objects, entry.name)
    restored = said("restore", "--remote", remote, cwd=workspace)
    assert (restored["artifacts"], restored["left"]) == (2, [])
    assert {entry.name for entry in far.objects.list("")} == before
    done = run_cli("cache", "restore", cwd=workspace)
    assert (done.returncode, done.stdout.count("0 artifacts")) == (0, 1)


def test_a_key_that_git_would_commit_isnt_made(workspace):
    assert run_cli("cache", "keygen", "mine", cwd=workspace).returncode == 0
    subprocess.run(["git", "init", "--quiet"], cwd=workspace, check=True)
    assert "doesn't ignore it" in refused(2, "cache", "keygen", "keys/mine", cwd=workspace)
    assert not (workspace / "keys").exists()
    (workspace / ".gitignore").write_text("keys/\n")
    assert run_cli("cache", "keygen", "keys/mine", cwd=workspace).returncode == 0


def test_prune_says_first_and_then_does(workspace):
    then = time.time() - 86400
    store = open_store(str(workspace / "cache"))
    for entry in list(store.objects.list("v1/")):
        os.utime(store.objects.local_path(entry.name), (then, then))
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
