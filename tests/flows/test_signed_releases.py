"""Releases where keys are trusted: who wrote them, what a forger can change, and that it is noticed. On doubles of an SDK."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from neuronbuild.artifact.codec import SIGNATURES, encode
from neuronbuild.artifact.release_index import ReleasedFile
from neuronbuild.digest import digest_bytes
from neuronbuild.errors import ReleaseError
from neuronbuild.runtime.reader import read_release
from neuronbuild.store.trust import make_key
from tests.conftest import TEXT, make_model, run_cli, write_recipe
from tests.doubles.neuron_sdk import FakeSdk, install_sdk
from tests.flows.stores import applied, refused
from tests.tools.fault_matrix import note
from tests.unit.runtime.releases import read_index, read_manifest

NAMES = ("inline-inf2", "apart-inf2")


@dataclass
class Site:
    """A workspace of a builder whose key everybody trusts, and its two releases: with the weights compiled in, and apart."""

    root: Path
    sdk: FakeSdk
    key: Path
    public: str

    def release(self, name: str) -> Path:
        return self.root / "releases" / name


@pytest.fixture(scope="module")
def built_once(tmp_path_factory) -> Site:
    root = tmp_path_factory.mktemp("signed")
    sdk, key = install_sdk(root / "sdk"), root / "keys/mine"
    site = Site(root / "work", sdk, key, make_key(key))
    model = make_model(root / "model", "AutoModelForSequenceClassification")
    for name, weights in (("inline", "inline"), ("apart", "separate")):
        shapes = {"model": str(model), "shapes": TEXT, "weights": weights, "platforms": ["inf2"]}
        write_recipe(site.root / f"recipes/{name}.yaml", name=name, task="text-classification", **shapes)
    settle(site, site.root, signing=True)
    report = applied("recipes", cwd=site.root)
    assert {step["outcome"] for step in report["steps"]} == {"built"}
    return site


def settle(site: Site, folder: Path, *, signing: bool, trusted: tuple[str, ...] | None = None) -> None:
    """A workspace file that trusts the builder's key, and signs with it or not."""
    site.sdk.workspace(folder)
    said = json.loads((folder / "neuronbuild.yaml").read_text())
    said |= {"trusted_keys": list(trusted or (site.public,)), **({"signing_key": str(site.key)} if signing else {})}
    (folder / "neuronbuild.yaml").write_text(json.dumps(said))


@pytest.fixture
def site(built_once, tmp_path) -> Site:
    """A copy of it, to alter."""
    shutil.copytree(built_once.root, tmp_path / "work", symlinks=True)
    return replace(built_once, root=tmp_path / "work")


def apply_again(site: Site, name: str) -> None:
    """An `apply` that has nothing to compile."""
    report = applied(f"recipes/{name.rpartition('-')[0]}.yaml", cwd=site.root)
    assert {step["outcome"] for step in report["steps"]} == {"reused"}


def verified(folder: Path, *keys: str, status: int = 0, cwd: Path) -> dict:
    arguments = [word for key in keys for word in ("--trusted-key", key)]
    done = run_cli("release", "verify", folder, *arguments, "--json", cwd=cwd)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def forge(folder: Path, path: str, data: bytes) -> None:
    """Put other bytes into a release, and an index that lists them, sealed: what whoever may write the folder can do."""
    (folder / path).unlink()
    (folder / path).write_bytes(data)
    index = read_index(folder)
    files = tuple(
        ReleasedFile(path, digest_bytes(data).sha256, len(data)) if file.path == path else file for file in index.files
    )
    (folder / "neuronbuild.json").write_bytes(encode(replace(index, files=files)))


def flipped(file: Path) -> bytes:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x40
    return bytes(data)


@pytest.mark.parametrize("name", NAMES)
def test_a_release_carries_the_signatures_of_its_manifests_and_its_own(site, name):
    folder = site.release(name)
    assert [each.key for each in read_manifest(folder).signatures] == [site.public]
    assert [each.key for each in read_index(folder).signatures] == [site.public]


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_that_only_runs_it_verifies_all_of_it(site, name, tmp_path):
    moved = Path(shutil.copytree(site.release(name), tmp_path / "elsewhere/release"))
    audit = verified(moved, site.public, cwd=tmp_path)
    assert audit["signed_by"] == audit["code_signed_by"] == [site.public]
    assert audit["problems"] == []
    assert audit["files"] == len(read_index(moved).files)
    assert verified(moved, cwd=tmp_path)["signed_by"] == [site.public]


def test_another_key_than_the_trusted_one_is_told(site, tmp_path):
    other = make_key(tmp_path / "other")
    audit = verified(site.release("apart-inf2"), other, status=1, cwd=tmp_path)
    assert audit["problems"] == [f"no trusted key signed it (signed by {site.public})"]
    assert verified(site.release("apart-inf2"), other, site.public, cwd=tmp_path)["problems"] == []
    assert "no public key" in refused(2, "release", "verify", site.release("apart-inf2"), "--trusted-key", "x", cwd=tmp_path)


@pytest.mark.parametrize("path", ["model.safetensors", "config.json", "vocab.txt", "README.md"])
def test_altered_bytes_are_noticed_by_verify_by_apply_and_at_load(site, path, tmp_path):
    folder = site.release("apart-inf2")
    data = flipped(folder / path)
    (folder / path).unlink()
    (folder / path).write_bytes(data)
    audit = verified(folder, status=1, cwd=tmp_path)
    assert audit["problems"] == [f"{path} was altered: it holds other bytes than were released"]
    with pytest.raises(ReleaseError, match=f"{path} was altered") as caught:
        read_release(folder)
    assert "neuronbuild apply" in caught.value.hint
    assert f"{path} was altered" in refused(6, "run", folder, "the cat", cwd=site.root)
    apply_again(site, "apart-inf2")
    assert verified(folder, site.public, cwd=tmp_path)["problems"] == []


FORGED = ["model.safetensors", "config.json", "vocab.txt", "README.md", "code", "record"]


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_release_with_an_index_that_fits_is_noticed_and_written_again(site, case, tmp_path):
    folder = site.release("apart-inf2")
    bucket = read_index(folder).buckets[0]
    path = {"code": bucket.file, "record": f"{bucket.folder}/manifest.json"}.get(case, case)
    before = (folder / path).read_bytes()
    forge(folder, path, flipped(folder / path) if not path.endswith("json") else before.replace(b" ", b"  ", 1))
    assert verified(folder, site.public, status=1, cwd=tmp_path)["problems"]
    apply_again(site, "apart-inf2")
    assert (folder / path).read_bytes() == before
    assert verified(folder, site.public, cwd=tmp_path)["problems"] == []
    note("a release, where keys are trusted", "forged with its index", case, len(FORGED), "told")


def test_an_index_that_binds_other_tensors_is_noticed(site, tmp_path):
    folder = site.release("apart-inf2")
    index = read_index(folder)
    names = sorted(index.bindings)
    swapped = dict(zip(names, (index.bindings[name] for name in reversed(names)), strict=True))
    (folder / "neuronbuild.json").write_bytes(encode(replace(index, bindings=swapped)))
    problems = verified(folder, status=1, cwd=tmp_path)["problems"]
    assert problems == [f"neuronbuild.json: the signature by {site.public} doesn't fit"]
    apply_again(site, "apart-inf2")
    assert read_index(folder).bindings == index.bindings


def test_signatures_that_were_taken_off_are_missed(site, tmp_path):
    folder = site.release("apart-inf2")
    tree = json.loads((folder / "neuronbuild.json").read_text())
    del tree[SIGNATURES]
    (folder / "neuronbuild.json").write_text(json.dumps(tree))
    audit = verified(folder, site.public, status=1, cwd=tmp_path)
    assert "compiled code only" in audit["problems"][0]
    assert verified(folder, cwd=tmp_path)["signed_by"] == []
    apply_again(site, "apart-inf2")
    assert verified(folder, site.public, cwd=tmp_path)["problems"] == []


def test_a_file_beside_the_releases_own_is_told(site, tmp_path):
    folder = site.release("apart-inf2")
    (folder / "chat_template.jinja").write_text("{{ other }}")
    audit = verified(folder, site.public, status=1, cwd=tmp_path)
    assert audit["problems"] == ["chat_template.jinja isn't listed in its neuronbuild.json"]
    assert "something else is in its place: chat_template.jinja" in refused(6, "apply", "recipes/apart.yaml", cwd=site.root)


def test_a_release_that_is_as_signed_is_left_alone(site):
    folder = site.release("apart-inf2")
    before = (folder / "neuronbuild.json").stat().st_mtime_ns
    applied("recipes", cwd=site.root)
    assert (folder / "neuronbuild.json").stat().st_mtime_ns == before


def test_a_reader_without_a_key_makes_releases_that_say_who_built_the_code(site, tmp_path):
    settle(site, site.root, signing=False)
    shutil.rmtree(site.release("apart-inf2"))
    applied("recipes/apart.yaml", cwd=site.root)
    audit = verified(site.release("apart-inf2"), site.public, status=1, cwd=tmp_path)
    assert (audit["signed_by"], audit["code_signed_by"]) == ([], [site.public])
    before = (site.release("apart-inf2") / "neuronbuild.json").stat().st_mtime_ns
    applied("recipes/apart.yaml", cwd=site.root)
    assert (site.release("apart-inf2") / "neuronbuild.json").stat().st_mtime_ns == before


def test_plan_and_apply_say_the_same_of_a_far_store_that_nobody_trusted_signed(site, tmp_path):
    far, other = tmp_path / "far", make_key(tmp_path / "other")
    shutil.move(site.root / "cache", far)
    shutil.rmtree(site.root / "releases")
    for trusted, states in (((site.public,), {"hit"}), ((other,), {"miss"})):
        settle(site, site.root, signing=False, trusted=trusted)
        done = run_cli("plan", "recipes/apart.yaml", "--remote", far, "--cache", tmp_path / "near", "--json", cwd=site.root)
        assert {step["state"] for step in json.loads(done.stdout)["steps"]} == states
    arguments = ("recipes/apart.yaml", "--remote", far, "--cache", tmp_path / "near")
    assert "no trusted builder signed it" in refused(1, "apply", "--no-build", *arguments, cwd=site.root)
    report = applied(*arguments, cwd=site.root)
    assert {step["outcome"] for step in report["steps"]} == {"built"}
    assert "nobody else trusts" in report["stderr"]
    settle(site, site.root, signing=False)
    assert {step["outcome"] for step in applied(*arguments, cwd=site.root)["steps"]} == {"reused"}


def test_what_is_no_release_is_told(tmp_path):
    assert "no such folder" in refused(6, "release", "verify", tmp_path / "absent", cwd=tmp_path)
    assert "it is no release" in refused(6, "release", "verify", tmp_path, cwd=tmp_path)


def test_people_are_told_in_lines(site, tmp_path):
    done = run_cli("release", "verify", site.release("apart-inf2"), "--trusted-key", site.public, cwd=tmp_path)
    assert done.returncode == 0
    assert f"signed by {site.public}; its compiled code by {site.public}" in done.stdout
