"""Recipes, locks, manifests, listings, snapshots and releases that somebody else made, changed at random.

Whatever they say: an error for people or a result, no write outside the folders that were given, and bounded memory.
"""

from __future__ import annotations

import contextlib
import json
import logging
import random
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from neuronbuild.api import Settings, load_recipes
from neuronbuild.api.caring import prune, verify
from neuronbuild.api.locking import FetchedFiles
from neuronbuild.api.prepare import Context, lock, make_full_plan, prepare, refuse_misses
from neuronbuild.api.requests import release_request
from neuronbuild.api.sharing import copy_snapshots, pull, push
from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.manifest import Manifest
from neuronbuild.artifact.release_index import FILENAME
from neuronbuild.artifact.signature import Signature
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import digest_bytes, digest_json
from neuronbuild.errors import LockError, NeuronBuildError, ReleaseError, SourceError
from neuronbuild.recipe.grid import expand
from neuronbuild.release.folder import Files, write_release
from neuronbuild.release.verified import VerifiedReleases
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.runner import Runner
from neuronbuild.source.digests import DigestMemory
from neuronbuild.store.cas import CasStore
from neuronbuild.store.location import Remote, open_store
from neuronbuild.store.names import action_name, snapshot_name
from neuronbuild.store.objects.memory import MemoryObjects
from neuronbuild.store.provenance import provenance
from neuronbuild.store.transfer import copy_artifact
from tests.conftest import TEXT, write_recipe, write_tokenizer
from tests.tools.hostile import NAMES, mutated, mutated_text, peak, reset_peak, writes_stay_in
from tests.unit.artifact.records import plain, sealed

MOST_MEMORY = 200 << 20
FEW, MANY = 1, 500
"""A seeded sample in every run, and a hundred thousand cases in all in the long one."""

COUNTS = {"recipes": 60, "locks": 25, "manifests": 30, "listings": 25, "snapshots": 30, "releases": 30}
"""Cases of each kind, times one of these."""

CONFIG = {
    "model_type": "bert", "architectures": ["BertForMaskedLM"], "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 66, "vocab_size": 120,
}  # fmt: skip
WEIGHTS = (2).to_bytes(8, "little") + b"{}"
RECIPE = {
    "name": "tiny", "model": "../model", "task": "fill-mask", "platforms": ["cpu"], "release": {"name": "tiny"},
    "compiler": {"optlevel": 1}, "shapes": {**TEXT, "exclude": [], "include": [{"batch_size": 3, "sequence_length": 9}]},
}  # fmt: skip
PIECES = [
    "[", "]", "{", "}", ":", ": ", "- ", "&a ", "*a", "<<: ", "!!int ", "~", "%", "!!python/object:os.system ",
    "'", '"', "|", "\n", "\n---\n",
    "\0", "0x" + "f" * 5000, "9" * 5000, "1e999", ".nan", "../", "a: &a [*a, *a]", "[" * 200, "shapes: {batch_size: 1}",
    "exclude: " + "[{batch_size: 1}]", "x: &x [1,1,1,1,1,1,1,1,1]\ny: &y [*x,*x,*x,*x,*x,*x]\nz: [*y,*y,*y,*y,*y,*y,*y]",
]  # fmt: skip


def no_job(job, model, keep):
    raise AssertionError(f"a job of kind {job['kind']} was run")


class World:
    """A workspace with a model, a lock, a store that has all that a release takes, and a far one. Nothing is compiled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        model = root / "model"
        model.mkdir()
        (model / "config.json").write_text(json.dumps(CONFIG))
        (model / "model.safetensors").write_bytes(WEIGHTS)
        write_tokenizer(model)
        self.recipe = write_recipe(root / "recipes/tiny.yaml", **RECIPE)
        self.settings = Settings(
            cache=str(root / "near"), remotes=(Remote(str(root / "far")),), output=root / "releases", scratch=root / "scratch",
            lock=root / "neuronbuild.lock", no_build=True,
        )  # fmt: skip
        lock(self.recipes(), replace(self.settings, no_build=False))
        self.near, self.far = open_store(self.settings.cache), open_store(str(root / "far"))
        self.context = Context.open(self.settings)
        [self.prepared] = prepare(self.recipes(), self.context)
        self.manifests = [self._record(action) for _, action in self.prepared.steps]
        self.context.store.record_snapshot(self.prepared.model.snapshot)
        self.context.store.close()
        push(None, self.settings)
        self.locked = json.loads(self.settings.lock.read_text())
        write_release(self.request(), self.near, no_job)
        self.release = self.settings.output / "tiny-cpu"

    def _record(self, action) -> Manifest:
        files = []
        for name in ("model.pt2", "constants.safetensors"):
            (self.root / name).write_bytes(name.encode())
            files.append(self.near.add(name, self.root / name))
        manifest = Manifest(action.key, action.record, tuple(files), provenance(1.0), Signature((), ()))
        return self.near.record(manifest)

    def recipes(self):
        return load_recipes([self.recipe])

    def request(self, context: Context | None = None):
        [prepared] = [self.prepared] if context is None else prepare(self.recipes(), context)
        return release_request(prepared, self.settings, checked=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    logging.disable(logging.WARNING)
    root = tmp_path_factory.mktemp("untrusted") / "deep/work"
    root.mkdir(parents=True)
    yield World(root)
    logging.disable(logging.NOTSET)


def recipes(world: World, chance: random.Random) -> None:
    tree = RECIPE if chance.randrange(2) else mutated(chance, RECIPE)
    text = yaml.safe_dump(tree, allow_unicode=True)
    path = world.root / "hostile/recipe.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(mutated_text(chance, text, PIECES).encode(errors="surrogatepass"))
    for located in load_recipes([path]):
        expand(located, located.recipe.task or "fill-mask")


def locks(world: World, chance: random.Random) -> None:
    tree = mutated(chance, world.locked)
    world.settings.lock.write_text(json.dumps(tree))
    settings = replace(world.settings, remotes=())
    context = Context.open(settings)
    prepared = prepare(world.recipes(), context)
    with contextlib.suppress(NeuronBuildError):
        refuse_misses(make_full_plan(prepared, context.store), settings)
    write_release(replace(world.request(), model=prepared[0].model), context.store, no_job)


def manifests(world: World, chance: random.Random) -> None:
    manifest = chance.choice(world.manifests)
    tree = mutated(chance, plain(manifest))
    data = sealed(tree) if chance.randrange(4) else mutated_text(chance, json.dumps(tree), PIECES).encode(errors="ignore")
    for store in (world.near, world.far):
        store.objects.write(action_name(manifest.key), data)
    try:
        verify(world.settings, repair=False)
        prune(world.settings, (None, 1e9, 0.0), keep=(), dry_run=True, far=False)
        pull(None, replace(world.settings, cache=str(world.root / "other")))
        write_release(world.request(), world.near, no_job)
    finally:
        for store in (world.near, world.far):
            store.objects.write(action_name(manifest.key), encode(manifest))
        shutil.rmtree(world.root / "other", ignore_errors=True)


def listings(world: World, chance: random.Random) -> None:
    strays = []
    for _ in range(3):
        name = chance.choice(["v1/actions/", "v1/blobs/sha256/", "v1/snapshots/", "v1/actions/ab/"])
        name += chance.choice([*NAMES, "ab/" + "ab" * 32 + ".json", "ab" * 32, "ab/" + "ab" * 32])
        path = Path(world.settings.remotes[0].location) / name
        with contextlib.suppress(OSError, ValueError):
            if path.resolve().is_relative_to(world.root / "far") and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(chance.choice([b"", b"{}", b"stray", sealed(plain(world.manifests[0]))]))
                strays.append(path)
    try:
        moved = pull(None, replace(world.settings, cache=str(world.root / "other")))
        assert moved[0].artifacts == len(world.manifests)
        verify(replace(world.settings, cache=str(world.root / "far"), remotes=()), repair=False)
    finally:
        for path in strays:
            path.unlink(missing_ok=True)  # two of them may be one file
        shutil.rmtree(world.root / "other", ignore_errors=True)


def snapshots(world: World, chance: random.Random) -> None:
    sound = Snapshot("org/model", "c", {"config.json": digest_bytes(b"1"), "a/b.json": digest_bytes(b"2")}, "mit")
    tree = mutated(chance, {**sound.as_json(), "extra": {}})
    data = json.dumps(tree).encode()
    identity = {key: tree[key] for key in tree if key not in {"license", "gated"}} if isinstance(tree, dict) else {}
    name = snapshot_name(digest_bytes(data).sha256)
    with contextlib.suppress(ValueError, RecursionError):
        name = snapshot_name(digest_json(identity).sha256) if chance.randrange(3) else name
    world.far.objects.write(name, data)
    try:
        other = replace(world.settings, cache=str(world.root / "other"))
        pull(None, other)
        push(None, other)
        verify(other, repair=False)
        prune(other, (None, 1e9, 0.0), keep=(), dry_run=True, far=False)
    finally:
        world.far.objects.delete(name)
        shutil.rmtree(world.root / "other", ignore_errors=True)


def releases(world: World, chance: random.Random) -> None:
    folder = world.root / "given"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(world.release, folder)
    file = chance.choice([folder / FILENAME, *folder.glob("buckets/*/manifest.json"), folder / "config.json"])
    tree = json.loads(file.read_text())
    tree.pop("seal", None)
    file.unlink()
    file.write_bytes(sealed(mutated(chance, tree)))
    if file.name != FILENAME and chance.randrange(2):  # an index that goes with it
        index = json.loads((folder / FILENAME).read_text())
        index.pop("seal")
        digest = digest_bytes(file.read_bytes())
        entry = {"path": file.relative_to(folder).as_posix(), **asdict(digest)}
        index["files"] = [each if each["path"] != entry["path"] else entry for each in index["files"]]
        (folder / FILENAME).unlink()
        (folder / FILENAME).write_bytes(sealed(index))
    request = replace(world.request(), folder=folder)
    request.is_up_to_date(VerifiedReleases(None))
    with contextlib.suppress(NeuronBuildError):
        Runner(read_release(folder)).warm()
    write_release(request, world.near, no_job)


def test_a_key_that_leads_upwards_writes_nothing_and_stops_nothing(world, tmp_path):
    """A bucket may hold any key: this store's listing gives names as they are."""
    objects = MemoryObjects()
    for entry in world.far.objects.list("v1/"):
        objects.write(entry.name, (world.root / "far" / entry.name).read_bytes())
    for name in ("v1/snapshots/../../../home/.bashrc", "v1/actions/../../x", "v1/blobs/sha256/../../../x", "v1/actions/stray"):
        objects.write(name, b"{}")
    (tmp_path / "a/b/near").mkdir(parents=True)
    near = open_store(str(tmp_path / "a/b/near"))
    source = CasStore(objects)
    with writes_stay_in(tmp_path / "a/b/near"):
        for key in source.recorded_keys():
            copy_artifact(source, near, key)
        copy_snapshots(source, near)
    assert near.recorded_keys() == world.near.recorded_keys()
    assert [path.name for path in (tmp_path / "a").rglob("*") if path.is_file() and path.read_bytes() == b"{}"] == []


@pytest.mark.parametrize(
    "name", ["v1/actions/.DS_Store", "v1/actions/ab/notes.txt", "v1/blobs/sha256/x", "v1/snapshots/a.json"]
)
@pytest.mark.parametrize("side", ["near", "far"])
def test_a_stray_file_stops_neither_push_nor_pull_and_is_told(world, side, name, tmp_path):
    stray = world.root / side / name
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_text("stray")
    try:
        other = replace(world.settings, cache=str(tmp_path / "other"))
        for moved in (push(None, world.settings), pull(None, other)):
            assert moved[0].failures == ()
        assert open_store(other.cache).recorded_keys() == world.near.recorded_keys()
        reports = verify(world.settings, repair=True)
        assert [report.strays for report in reports] == [(name,) if side == place else () for place in ("near", "far")]
        assert [report.damages for report in reports] == [(), ()]
        assert prune(world.settings, (None, 0.0, 0.0), keep=[world.settings.lock], dry_run=True, far=False).artifacts == ()
        assert stray.read_text() == "stray"
    finally:
        stray.unlink()


@pytest.mark.parametrize(
    "name", ["../outside.txt", "/tmp/outside.txt", "a/../../outside.txt", "..\\outside.txt", "TOKENIZER_CONFIG.JSON"]
)
def test_a_lock_whose_files_lead_elsewhere_is_refused(world, name):
    tree = json.loads(json.dumps(world.locked))
    files = tree["models"][0]["files"]
    files[name] = files["config.json"]
    path = world.root / "hostile.lock"
    path.write_text(json.dumps(tree))
    with pytest.raises(LockError, match="unsafe path"):
        prepare(world.recipes(), Context.open(replace(world.settings, lock=path)))


@pytest.mark.parametrize("config", [True, {}, {"hidden_size": 3}, {"model_type": 3}, [], "bert", None])
def test_a_lock_that_names_no_type_of_model_is_refused(world, config):
    tree = json.loads(json.dumps(world.locked))
    tree["models"][0]["documents"]["config.json"] = config
    path = world.root / "hostile.lock"
    path.write_text(json.dumps(tree))
    with pytest.raises(SourceError, match=r"no usable config\.json"):
        prepare(world.recipes(), Context.open(replace(world.settings, lock=path)))


def test_a_file_that_rotted_in_the_users_cache_is_fetched_again(world, tmp_path):
    data = b"weights" * 100
    digest = world.near.add_bytes(data)
    kept = FetchedFiles(tmp_path / "models", DigestMemory(tmp_path / "digests.json"))
    path = kept.get(digest, world.near)
    assert path.read_bytes() == data
    for harm in (b"x" * len(data), b"short", None):
        path.unlink()
        if harm is not None:
            path.write_bytes(harm)
        assert kept.get(digest, world.near).read_bytes() == data
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert kept.get(digest, world.near).read_bytes() == data


def test_a_release_never_writes_through_a_link_into_the_store(world, tmp_path):
    """A manifest that names a file as we do: it would be hard-linked first, and written over then."""
    before = {path: path.read_bytes() for path in (world.root / "near").rglob("*") if path.is_file()}
    tree = plain(world.manifests[0])
    for name in ("manifest.json", "MANIFEST.json"):
        tree["files"][1]["path"] = name
        world.near.objects.write(action_name(world.manifests[0].key), sealed(tree))
        try:
            with pytest.raises(NeuronBuildError):
                write_release(replace(world.request(), folder=tmp_path / "out", link_mode="hardlink"), world.near, no_job)
        finally:
            world.near.objects.write(action_name(world.manifests[0].key), encode(world.manifests[0]))
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("taken", ["README.md", "neuronbuild.json", "config.json", "Config.JSON", "../x", "vocab.txt"])
def test_a_converted_file_takes_no_name_that_the_release_has(world, tmp_path, taken):
    files = Files(tmp_path)
    for name in ("config.json", "vocab.txt", "README.md"):
        files.put(name, b"ours")
    with pytest.raises(ReleaseError):
        files.put(taken, b"theirs")
    assert (tmp_path / "config.json").read_bytes() == b"ours"
    assert not (tmp_path.parent / "x").exists()


KINDS = {each.__name__: each for each in (recipes, locks, manifests, listings, snapshots, releases)}


def run(world: World, kind: str, count: int, seed: int) -> None:
    before = reset_peak()
    with writes_stay_in(world.root):
        for number in range(count):
            chance = random.Random(f"{kind} {seed} {number}")
            try:
                KINDS[kind](world, chance)
            except NeuronBuildError:
                continue
            except Exception as error:
                raise AssertionError(f"{kind}, seed {seed}, case {number}: {type(error).__name__}: {error}"[:2000]) from error
    assert peak() - before < MOST_MEMORY


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_input_is_refused_or_does_no_harm(world, kind):
    run(world, kind, COUNTS[kind] * FEW, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_thousand_hostile_inputs_are_refused_or_do_no_harm(world, kind):
    run(world, kind, COUNTS[kind] * MANY, seed=random.SystemRandom().randrange(1 << 32))


def test_the_long_run_has_a_hundred_thousand_cases():
    assert sum(COUNTS.values()) * MANY == 100_000
