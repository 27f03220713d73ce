from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from neuronbuild.digest import digest_bytes
from neuronbuild.errors import SourceError
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.files import NETWORK, adapter
from neuronbuild.source.hub import HubSource
from tests.doubles.hub import COMMIT, GOOD_TOKEN, HubDouble, HubRepo, lead_client_to, one_commit

WEIGHTS = b"weights" * 100
CONFIG = b'{"model_type": "bert"}'
FILES = {
    "README.md": b"# Tiny",
    "config.json": CONFIG,
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": WEIGHTS,
    "tokenizer.json": b"{}",
}
SHARDS = {
    "config.json": CONFIG,
    "model-00001-of-00002.safetensors": b"one",
    "model-00002-of-00002.safetensors": b"two",
    "model.safetensors.index.json": b'{"weight_map": {"a": "model-00001-of-00002.safetensors", '
    b'"b": "model-00002-of-00002.safetensors"}}',
}
PARTS = {
    "model_index.json": b'{"_class_name": "StableDiffusionPipeline"}',
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": WEIGHTS,
    "unet/diffusion_pytorch_model.fp16.safetensors": WEIGHTS,
    "tokenizer/vocab.json": b"{}",
}
SENTENCES = {
    "modules.json": b'[{"path": "0_T", "type": "sentence_transformers.models.Transformer"}, '
    b'{"path": "pool", "type": "sentence_transformers.models.Pooling"}]',
    "0_T/config.json": CONFIG,
    "0_T/model.safetensors": WEIGHTS,
    "0_T/vocab.txt": b"a",
    "pool/config.json": b"{}",
    "vocab.txt": b"b",
}
NEXT_COMMIT = "b" * 40
PINNED = {name: digest_bytes(FILES[name]) for name in ("config.json", "model.safetensors", "tokenizer.json")}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with HubDouble(
        {
            "org/tiny": one_commit(FILES),
            "org/shards": one_commit(SHARDS),
            "org/sd": one_commit(PARTS),
            "org/st": one_commit(SENTENCES),
        }
    ) as double:
        lead_client_to(double.endpoint, tmp_path, monkeypatch)
        yield double


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "hub" / "models--org--tiny"


@pytest.fixture
def _impatient(monkeypatch):
    """A client that asks again at once, where it would wait for half a minute in all."""
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def offline(monkeypatch):
    return lambda: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def resolve(reference="org/tiny", revision=None, **options):
    return HubSource(DigestMemory(None)).resolve(reference, revision, **options)


def refusal(reference="org/tiny", revision=None):
    """The error that resolving ends in: always one with advice."""
    with pytest.raises(SourceError) as caught:
        resolve(reference, revision)
    assert caught.value.hint
    return caught.value


def fetch(reference="org/tiny"):
    """Resolve a model and fetch all of it; the model."""
    model = resolve(reference)
    for name in model.snapshot.files:
        model.open_file(name)
    return model


# The Hub answers.


def test_a_transformer_in_a_folder_is_taken_for_the_model_with_and_without_the_hub(hub, offline):
    model = fetch("org/st")
    inner = {name: digest_bytes(SENTENCES[f"0_T/{name}"]) for name in ("config.json", "model.safetensors", "vocab.txt")}
    assert model.snapshot.files == inner | {
        name: digest_bytes(SENTENCES[name]) for name in ("modules.json", "pool/config.json")
    }
    assert model.config == {"model_type": "bert"}
    offline()
    again = resolve("org/st")
    assert (again.snapshot.files, again.config) == (model.snapshot.files, model.config)
    assert again.open_file("vocab.txt").read_bytes() == b"a"


def test_a_model_is_pinned_to_its_commit(hub):
    model = resolve()
    assert (model.snapshot.model, model.snapshot.revision) == ("org/tiny", COMMIT)
    assert model.snapshot.files == PINNED
    assert model.config == {"model_type": "bert"}


def test_pinning_fetches_no_weights(hub):
    assert "model.safetensors" in resolve().snapshot.files
    assert hub.paths("GET") == [
        "/api/models/org/tiny/revision/main",
        "/org/tiny/resolve/main/config.json",
        f"/org/tiny/resolve/{COMMIT}/tokenizer.json",
    ]
    assert not [path for path in hub.paths("HEAD") if "safetensors" in path]


def test_pinning_again_fetches_nothing(hub):
    resolve()
    hub.requests.clear()
    assert resolve().snapshot.files == PINNED
    assert hub.paths("GET") == ["/api/models/org/tiny/revision/main"]


def test_a_commit_can_be_asked_for_by_name(hub):
    hub.repos["org/tiny"].commits[NEXT_COMMIT] = {"config.json": CONFIG}
    snapshot = resolve(revision=NEXT_COMMIT).snapshot
    assert (snapshot.revision, set(snapshot.files)) == (NEXT_COMMIT, {"config.json"})


@pytest.mark.parametrize("revision", ["v1.0", "refs/pr/1", "feature/quick"])
def test_branches_and_tags_lead_to_their_commit(hub, revision):
    hub.repos["org/tiny"].refs[revision] = COMMIT
    assert resolve(revision=revision).snapshot.revision == COMMIT


def test_a_branch_that_moves_meanwhile_does_not_mix_commits(hub):
    class MovingRefs(dict):
        def get(self, *_):
            return self.pop("first", NEXT_COMMIT)

    commits = {COMMIT: FILES, NEXT_COMMIT: {"config.json": b'{"model_type": "gpt2"}'}}
    hub.repos["org/tiny"] = HubRepo(commits, MovingRefs(first=COMMIT))
    model = resolve()
    assert (model.snapshot.revision, model.snapshot.files) == (COMMIT, PINNED)
    assert model.config == {"model_type": "bert"}


def test_license_and_gate_are_written_down(hub):
    assert (resolve().snapshot.license, resolve().snapshot.gated) == ("mit", False)


def test_a_model_without_a_card_has_no_license(hub):
    hub.repos["org/tiny"].license = None
    assert resolve().snapshot.license is None


def test_weights_are_fetched_at_their_first_use(hub):
    model = resolve()
    assert model.open_file("model.safetensors").read_bytes() == WEIGHTS
    hub.requests.clear()
    assert model.open_file("model.safetensors").read_bytes() == WEIGHTS
    assert hub.requests == []


def test_the_cache_never_changes_a_file(hub):
    assert resolve().immutable


def test_small_files_are_read_through_the_model(hub):
    assert resolve().read_json("tokenizer.json") == {}


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_noticed_and_the_advice_mends_it(hub, name):
    model = fetch()
    model.open_file(name).write_bytes(b"damaged")
    with pytest.raises(SourceError, match=f"{name} in the local cache holds other bytes") as caught:
        model.open_file(name)
    Path(caught.value.hint.removeprefix("delete ").split(" and ")[0]).unlink()
    assert digest_bytes(model.open_file(name).read_bytes()) == PINNED[name]


def test_weights_that_are_not_what_the_hub_announced_are_refused(hub):
    hub.tampered["model.safetensors"] = b"WEIGHTS" * 100
    with pytest.raises(SourceError, match="other bytes than were pinned"):
        resolve().open_file("model.safetensors")


def test_code_of_its_own_is_refused_before_anything_but_the_config_is_fetched(hub):
    own = {"config.json": b'{"model_type": "own", "auto_map": {}}', "modeling_own.py": b"pass", "tokenizer.json": b"{}"}
    hub.repos["org/own"] = one_commit(own)
    assert "Python code of its own" in str(refusal("org/own"))
    assert not [path for path in hub.paths("GET") if not path.endswith(("main", "config.json"))]
    assert set(resolve("org/own", trust_remote_code=True).snapshot.files) == set(own)


# The Hub refuses.


def test_a_model_that_does_not_exist_may_also_be_private(hub):
    error = refusal("org/absent")
    assert "no such model, or it is private" in str(error)
    assert "HF_TOKEN" in error.hint


def test_a_private_model_needs_a_token(hub, monkeypatch):
    hub.repos["org/secret"] = one_commit(FILES, private=True)
    assert "it is private" in str(refusal("org/secret"))
    monkeypatch.setenv("HF_TOKEN", GOOD_TOKEN)
    assert resolve("org/secret").snapshot.files == PINNED


def test_a_gated_model_says_where_to_accept_its_terms(hub, monkeypatch):
    hub.repos["org/gated"] = one_commit(FILES, gated=True)
    error = refusal("org/gated")
    assert "it is gated" in str(error)
    assert f"{hub.endpoint}/org/gated" in error.hint
    monkeypatch.setenv("HF_TOKEN", GOOD_TOKEN)
    assert resolve("org/gated").snapshot.gated


def test_a_model_that_the_hub_disabled_is_said_to_be(hub):
    hub.repos["org/tiny"].disabled = True
    assert "the Hub has disabled it" in str(refusal())


def test_a_wrong_token_is_named_as_the_reason(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_badtoken")
    error = refusal()
    assert "HTTP 401" in str(error)
    assert "HF_TOKEN" in error.hint


@pytest.mark.parametrize("token", ["hf_badtoken", "hf_\x01badtoken", "hf_ü_badtoken"])
def test_a_token_is_neither_shown_nor_logged(hub, monkeypatch, caplog, token):
    monkeypatch.setenv("HF_TOKEN", token)
    error = refusal()
    assert "badtoken" not in f"{error} {error.hint} {caplog.text}"


def test_a_revision_that_does_not_exist_is_named(hub):
    error = refusal(revision="v9")
    assert "no revision 'v9'" in str(error)
    assert f"{hub.endpoint}/org/tiny" in error.hint


@pytest.mark.parametrize("reference", ["a/b/c", "org/ti ny", "org--tiny", "org/../tiny", "", "org/tiny.git", "x" * 97])
def test_a_malformed_id_is_not_even_asked_for(hub, reference):
    assert "can't be a model's id" in str(refusal(reference))
    assert hub.requests == []


@pytest.mark.parametrize("revision", ["../../etc/passwd", "/etc/passwd", "..", "."])
def test_a_path_is_no_revision(hub, offline, revision):
    refusal(revision=revision)
    offline()
    assert "no revision" in str(refusal(revision=revision))


def test_a_model_without_a_config_is_refused(hub):
    hub.repos["org/gguf"] = one_commit({"model.gguf": b"weights"})
    assert "no config.json" in str(refusal("org/gguf"))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"adapter_config.json": b"{}", "adapter_model.safetensors": WEIGHTS}, "an adapter lies beside it"),
        ({"quantize_config.json": b"{}"}, "its weights are quantized (GPTQ: quantize_config.json)"),
        ({"config.json": b'{"model_type": "llama", "quantization_config": {"quant_method": "awq"}}'}, "quantized (awq"),
        ({"model.safetensors.index.json": b"{}"}, "model.safetensors.index.json can't be read"),
    ],
)
def test_what_would_be_loaded_as_another_model_is_refused_without_its_weights(hub, files, told):
    whole = {"config.json": CONFIG} if "model.safetensors.index.json" in files else {**FILES}
    hub.repos["org/other"] = one_commit({**whole, **files})
    assert told in str(refusal("org/other"))
    assert not [path for path in hub.paths("HEAD") if path.endswith("model.safetensors")]


def test_an_adapter_alone_is_told_for_what_it_is(hub):
    hub.repos["org/lora"] = one_commit({"adapter_config.json": b"{}", "adapter_model.safetensors": WEIGHTS})
    assert "it is an adapter (adapter_config.json) and not a whole model" in str(refusal("org/lora"))


def test_chat_templates_and_just_the_named_shards_are_pinned(hub):
    more = {"additional_chat_templates/rag.jinja": b"rag", "model-00001-of-00003.safetensors": b"of an older save"}
    hub.repos["org/other"] = one_commit({**SHARDS, **more})
    assert set(resolve("org/other").snapshot.files) == {*SHARDS, "additional_chat_templates/rag.jinja"}


@pytest.mark.parametrize(("status", "advice"), [(403, "right to read"), (429, "wait")])
def test_other_refusals_are_final(hub, status, advice):
    fetch()
    hub.fail_with = status
    error = refusal()
    assert f"HTTP {status}" in str(error)
    assert advice in error.hint


# The Hub can't be asked.


def test_offline_the_cache_answers(hub, offline):
    fetch()
    offline()
    hub.requests.clear()
    model = resolve()
    assert (model.snapshot.revision, model.snapshot.files) == (COMMIT, PINNED)
    assert model.open_file("model.safetensors").read_bytes() == WEIGHTS
    assert hub.requests == []


def test_a_source_that_is_to_go_by_the_cache_asks_nothing(hub):
    fetch()
    before = list(hub.requests)
    source = HubSource(DigestMemory(None), offline=True)
    model = source.resolve("org/tiny", None)
    assert (model.snapshot.revision, model.snapshot.files) == (COMMIT, PINNED)
    assert model.open_file("model.safetensors").read_bytes() == WEIGHTS
    with pytest.raises(SourceError, match="local_files_only is set, and the local cache has no revision 'v9' of it"):
        source.resolve("org/tiny", "v9")
    assert hub.requests == before


def test_offline_a_commit_is_found_by_name(hub, offline):
    fetch()
    offline()
    assert resolve(revision=COMMIT).snapshot.files == PINNED


def test_offline_cached_weights_are_not_read(hub, offline):
    path = fetch().open_file("model.safetensors")
    path.write_bytes(b"x" * len(WEIGHTS))
    offline()
    model = resolve()
    assert model.snapshot.files == PINNED
    with pytest.raises(SourceError, match="other bytes than were pinned"):
        model.open_file("model.safetensors")


def test_offline_a_name_in_the_store_shared_by_repositories_is_not_taken_for_a_digest(hub, offline, cache):
    fetch()
    blob = cache / "blobs" / PINNED["model.safetensors"].sha256
    shared = cache.parent / "blobs/ff" / ("f" * 64)
    shared.parent.mkdir(parents=True)
    blob.rename(shared)
    blob.symlink_to(os.path.relpath(shared, blob.parent))
    offline()
    assert resolve().snapshot.files == PINNED


def test_offline_a_cache_without_links_is_read(hub, offline, cache):
    fetch()
    flat = shutil.copytree(cache / "snapshots", cache / "flat")
    shutil.rmtree(cache / "snapshots")
    flat.rename(cache / "snapshots")
    offline()
    assert resolve().snapshot.files == PINNED


def test_offline_a_model_that_was_never_fetched_comes_with_the_command_that_fetches_it(hub, offline):
    offline()
    error = refusal()
    assert "HF_HUB_OFFLINE is set, and the local cache has no revision 'main' of it" in str(error)
    assert "hf download org/tiny --revision main" in error.hint


def test_offline_another_revision_does_not_stand_in(hub, offline):
    fetch()
    offline()
    assert "no revision 'v9'" in str(refusal(revision="v9"))


def test_offline_a_cache_without_weights_is_refused(hub, offline):
    resolve()
    offline()
    error = refusal()
    assert "the local cache has no usable weights of it" in str(error)
    assert "hf download org/tiny" in error.hint


def test_offline_a_missing_shard_is_named(hub, offline, tmp_path):
    fetch("org/shards").open_file("model-00002-of-00002.safetensors").unlink()
    offline()
    assert "no usable model-00002-of-00002.safetensors" in str(refusal("org/shards"))


def test_offline_all_shards_are_enough(hub, offline):
    fetch("org/shards")
    offline()
    assert resolve("org/shards").snapshot.files == {name: digest_bytes(data) for name, data in SHARDS.items()}


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"weight_map": 7}'])
def test_offline_a_damaged_index_of_shards_is_named(hub, offline, damage):
    fetch("org/shards").open_file("model.safetensors.index.json").write_bytes(damage)
    offline()
    assert "no usable model.safetensors.index.json" in str(refusal("org/shards"))


def test_offline_a_damaged_note_of_the_branch_is_no_crash(hub, offline, cache):
    fetch()
    (cache / "refs/main").write_bytes(b"\xff\xfe")
    offline()
    assert "the local cache can't be read" in str(refusal())


def test_offline_code_of_its_own_is_refused_too(hub, offline):
    hub.repos["org/own"] = one_commit(FILES | {"config.json": b'{"model_type": "own", "auto_map": {}}'})
    HubSource(DigestMemory(None)).resolve("org/own", None, trust_remote_code=True).open_file("model.safetensors")
    offline()
    assert "Python code of its own" in str(refusal("org/own"))


def test_offline_weights_that_are_gone_meanwhile_are_no_crash(hub, offline):
    path = fetch().open_file("model.safetensors")
    offline()
    model = resolve()
    path.unlink()
    with pytest.raises(SourceError, match=r"model\.safetensors can't be fetched: HF_HUB_OFFLINE is set") as caught:
        model.open_file("model.safetensors")
    assert f"hf download org/tiny --revision {COMMIT}" in caught.value.hint


def stop(hub, monkeypatch):
    hub.stop()


def fail(hub, monkeypatch):
    hub.fail_with = 503


def garble(hub, monkeypatch):
    hub.garbled = b"<html>Welcome to our Wi-Fi</html>"


def fall_silent(hub, monkeypatch):
    hub.silent = True
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.2)


TROUBLES = [(stop, "Connection refused"), (fail, "HTTP 503"), (garble, "can't be used"), (fall_silent, "no answer in time")]


@pytest.mark.parametrize(("trouble", "reason"), TROUBLES)
def test_trouble_with_an_empty_cache_is_explained(hub, monkeypatch, trouble, reason):
    trouble(hub, monkeypatch)
    error = refusal()
    assert reason in str(error)
    assert "the local cache has no revision 'main' of it" in str(error)


@pytest.mark.parametrize(("trouble", "reason"), TROUBLES)
def test_in_trouble_the_cache_answers_and_the_log_says_so(hub, monkeypatch, caplog, trouble, reason):
    fetch()
    trouble(hub, monkeypatch)
    assert resolve().snapshot.files == PINNED
    assert reason in caplog.text
    assert "going by the local cache for model org/tiny" in caplog.text


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b"7", b'"text"', b'{"id": "org/tiny", "siblings": [{}]}'])
def test_an_answer_that_makes_no_sense_is_no_crash(hub, answer):
    hub.garbled = answer
    assert f"what {hub.endpoint} sent can't be used" in str(refusal())


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(("trouble", "reason"), TROUBLES[:2])
def test_weights_that_cannot_be_fetched_say_why(hub, monkeypatch, trouble, reason):
    model = resolve()
    trouble(hub, monkeypatch)
    with pytest.raises(SourceError, match=rf"model\.safetensors can't be fetched: .*{reason}"):
        model.open_file("model.safetensors")


def test_a_downloader_that_gives_up_is_no_crash(hub, monkeypatch):
    def give_up(*_, **__):
        raise RuntimeError("Data processing error")

    model = resolve()
    monkeypatch.setattr("huggingface_hub.file_download.http_get", give_up)
    with pytest.raises(SourceError, match=r"model\.safetensors can't be fetched"):
        model.open_file("model.safetensors")


def test_a_password_in_the_address_is_not_shown(hub, monkeypatch, caplog):
    monkeypatch.setattr(constants, "ENDPOINT", f"http://me:secret@127.0.0.1:{hub.port}")
    hub.stop()
    error = refusal()
    assert f"http://127.0.0.1:{hub.port} can't be reached" in str(error)
    assert "secret" not in f"{error} {error.hint} {caplog.text}"


def test_a_cache_that_cannot_be_written_is_named(hub, tmp_path):
    (tmp_path / "hub").write_bytes(b"in the way")
    error = refusal()
    assert str(tmp_path / "hub") in str(error)


# The real environment, which the client reads once.

SCRIPT = """
import json, sys
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.files import NETWORK, adapter
from neuronbuild.source.hub import HubSource
model = HubSource(DigestMemory(None)).resolve("org/tiny", None)
print(json.dumps([model.snapshot.revision, model.open_file("model.safetensors").read_text()]))
"""


def test_settings_of_the_environment_are_obeyed(tmp_path):
    settings = {"HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "*"}
    with HubDouble({"org/tiny": one_commit(FILES)}) as hub:
        for connection in ({"HF_ENDPOINT": hub.endpoint}, {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}):
            environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **settings, **connection}
            done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, check=True)
            assert json.loads(done.stdout) == [COMMIT, WEIGHTS.decode()]
    assert hub.paths("GET")[-1] == f"/lfs/{hashlib.sha256(WEIGHTS).hexdigest()}"


def test_a_pipeline_is_pinned_part_by_part_and_offline_too(hub, offline):
    online = resolve("org/sd")
    assert online.config["model_type"] == "StableDiffusionPipeline"
    assert set(online.snapshot.files) == set(PARTS) - {"unet/diffusion_pytorch_model.fp16.safetensors"}
    for name in online.snapshot.files:
        online.open_file(name)
    offline()
    assert resolve("org/sd").snapshot.files == online.snapshot.files


def test_a_lora_is_one_file_of_a_repository_and_offline_too(hub, offline):
    layouts = (adapter("model.safetensors"),)
    online = resolve(layouts=layouts)
    assert set(online.snapshot.files) == {"model.safetensors"}
    assert online.open_file("model.safetensors").read_bytes() == WEIGHTS
    offline()
    assert resolve(layouts=layouts).snapshot.files == online.snapshot.files


@pytest.mark.parametrize(
    ("layouts", "message"), [((adapter("b.safetensors"),), r"it has no b\.safetensors"), ((NETWORK,), "names no _class_name")]
)
def test_what_a_repository_isnt_is_told(hub, layouts, message):
    with pytest.raises(SourceError, match=message):
        resolve(layouts=layouts)
