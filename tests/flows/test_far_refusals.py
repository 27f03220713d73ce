"""Far stores that refuse: what `plan` and `apply` say, what is an error, and what is one object's trouble alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from neuronbuild import api
from neuronbuild.api.prepare import lock, plan
from neuronbuild.api.sharing import pull, push
from neuronbuild.errors import DamageError, NotBuiltError, StoreError
from neuronbuild.store.location import Remote, open_store
from neuronbuild.store.names import action_name, blob_name
from neuronbuild.store.transfer import copy_artifact
from tests.conftest import make_model, run_cli, write_recipe
from tests.doubles import s3
from tests.doubles.quirky import serving
from tests.tools.fault_matrix import note
from tests.unit.api.shared import folders
from tests.unit.store.artifacts import get, key_of, put

SHAPES = {
    "few": {"batch_size": 1, "sequence_length": 16},
    "many": {"batch_size": list(range(1, 25)), "sequence_length": 16},
}
"""Up to 20 targets are looked up one by one, and more by a listing."""

WORDS = {"bucket": "no such bucket", "listing": "may not be listed", "secret": "the secret key doesn't fit"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder with a model, a lock, and recipes of few and of many targets."""
    root = tmp_path_factory.mktemp("refusals")
    model = str(make_model(root / "model", "AutoModelForMaskedLM"))
    for name, shapes in SHAPES.items():
        write_recipe(root / f"{name}.yaml", model=model, task="fill-mask", shapes=shapes)
    lock(api.load_recipes([root / "few.yaml"]), folders(root, remotes=(), lock=root / "neuronbuild.lock"))
    return root


@pytest.fixture(params=list(WORDS))
def refusing(request, servers, monkeypatch):
    """A far store that refuses, and the words for it."""
    if request.param == "secret":
        location = s3.location(servers("seaweedfs"))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        yield location, WORDS["secret"]
        return
    with serving(*(["no-list"] if request.param == "listing" else [])) as server:
        location = server.location()
        yield location.replace("team/", "nobody/") if request.param == "bucket" else location, WORDS[request.param]


@pytest.mark.parametrize("count", list(SHAPES))
def test_a_store_that_refuses_is_told_by_a_plan(workspace, refusing, tmp_path, count, caplog):
    location, words = refusing
    settings = folders(tmp_path, remotes=(Remote(location),))
    made = plan(api.load_recipes([workspace / f"{count}.yaml"]), settings)
    assert len(made.misses) == len(made.steps)
    (record,) = caplog.records
    assert words in record.getMessage()
    assert "going on without it" in record.getMessage()


@pytest.mark.parametrize("count", list(SHAPES))
def test_a_store_that_refuses_is_an_error_where_it_counts(workspace, refusing, tmp_path, count):
    location, words = refusing
    settings = folders(tmp_path, remotes=(Remote(location),), lock=workspace / "neuronbuild.lock")
    recipes = api.load_recipes([workspace / f"{count}.yaml"])
    for strict in (replace(settings, locked=True), replace(settings, no_build=True)):
        with pytest.raises(StoreError, match=words):
            plan(recipes, strict)
        with pytest.raises(StoreError, match=words):
            api.apply(recipes, strict)


def test_a_store_that_is_away_is_no_refusal(workspace, tmp_path):
    remote = Remote(f"s3://team/p?endpoint_url=http://127.0.0.1:{s3.free_port()}")
    settings = folders(tmp_path, remotes=(remote,), lock=workspace / "neuronbuild.lock", no_build=True)
    with pytest.raises(NotBuiltError):
        api.apply(api.load_recipes([workspace / "few.yaml"]), settings)


def test_the_command_line_tells_a_refusal_and_exits_by_it(workspace, tmp_path):
    with serving() as server:
        remote = ("--cache", tmp_path / "near", "--remote", server.location().replace("team/", "nobody/"))
        planned = run_cli("plan", "few.yaml", *remote, "--json", cwd=workspace)
        applied = run_cli("apply", "few.yaml", *remote, "--timeout", 1, cwd=workspace)
        locked = run_cli("plan", "few.yaml", *remote, "--locked", cwd=workspace)
        unbuilt = run_cli("apply", "few.yaml", *remote, "--no-build", cwd=workspace)
    assert [each.returncode for each in (planned, applied, locked, unbuilt)] == [0, 1, 4, 4]
    assert json.loads(planned.stdout)["summary"]["miss"] == 1
    for each in (planned, applied, locked, unbuilt):
        assert each.stderr.count("no such bucket (NoSuchBucket: The specified bucket does not exist") == 1
        assert "Traceback" not in each.stderr


@pytest.mark.parametrize("code", ["InvalidObjectState", "kms", "403"])
def test_an_object_that_isnt_handed_out_costs_one_artifact(tmp_path, code):
    with serving() as server:
        settings = folders(tmp_path, remotes=(Remote(server.location()),))
        near = open_store(settings.cache)
        manifests = [put(near, number) for number in (1, 2, 3)]
        push(None, settings)
        server.refuse(blob_name(manifests[0].files[0].digest.sha256), code)
        server.refuse(blob_name(manifests[1].log.sha256), code)
        server.refuse(action_name(key_of(3)), code)
        other = replace(settings, cache=str(tmp_path / "other"))
        (moved,) = pull(None, other)
        assert (moved.artifacts, len(moved.failures)) == (1, 2)
        assert sorted(text.rpartition(" i")[2] for text in moved.failures) == ["s missing", "sn't there"]
        assert open_store(other.cache).lookup(key_of(2)) is not None

        far = open_store(settings.remotes[0].location)
        for number in (1, 3):  # whoever missed it, and builds it, replaces it
            with pytest.raises(DamageError):
                copy_artifact(far, open_store(other.cache), key_of(number))
            copy_artifact(near, far, key_of(number))
            assert get(far, number, tmp_path) == get(near, number, tmp_path)
        note("a file far", f"not handed out ({code})", code, 1, "missing, and replaced when it is built again")


def test_a_public_bucket_is_pulled_from_without_credentials(tmp_path):
    with serving() as server:
        settings = folders(tmp_path, remotes=(Remote(server.location()),))
        put(open_store(settings.cache), 1)
        push(None, settings)
        server.quirks.add("public")
        command = ("cache", "pull", "--cache", "other", "--remote", settings.remotes[0].location)
        unset = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
        done = run_cli(*command, cwd=tmp_path, env=unset)
        assert (done.returncode, done.stderr) == (0, "")
        assert "1 artifact," in done.stdout


def test_no_command_shows_the_password_of_an_endpoint(tmp_path):
    with serving() as server:
        location = server.location().replace("http://", "http://user:hunter2@")
        put(open_store(str(tmp_path / "cache")), 1)
        (tmp_path / "neuronbuild.yaml").write_text(f"remote: {location}\n")
        commands = [("cache", "push", "--json"), ("cache", "stats", "--json"), ("doctor", "--json"), ("cache", "verify")]
        for command in commands:
            done = run_cli(*command, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            assert "hunter2" not in done.stdout + done.stderr
            assert "***@" in done.stdout + done.stderr
    for command in (*commands[:2], ("--debug", *commands[3])):
        done = run_cli(*command, cwd=tmp_path)
        assert done.returncode == 4, done.stderr
        assert "hunter2" not in done.stdout + done.stderr
    assert not any(b"hunter2" in file.read_bytes() for file in (tmp_path / "cache").rglob("*") if file.is_file())
