"""A release of an artifact that no compiler made: small enough to be written by many processes at once."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

from neuronbuild.artifact.snapshot import Model, Snapshot
from neuronbuild.digest import digest_file
from neuronbuild.release.folder import write_release
from neuronbuild.release.request import ReleaseRequest
from neuronbuild.release.verified import VerifiedReleases
from neuronbuild.runtime.reader import read_release
from neuronbuild.store.base import BuildStore
from neuronbuild.store.location import open_store
from tests.doubles.toolchain import Site, fake_action, wait_until
from tests.limits import SOON
from tests.unit.release.requests import no_job


def make_artifact(site: Path) -> Path:
    """Build one step into a store, lay a model beside it, and give the folder of both."""
    Site(site).build(1)
    (site / "model").mkdir()
    (site / "model/config.json").write_text('{"model_type": "bert"}')
    header = json.dumps({"weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    (site / "model/model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    return site


def made_request(site: Path, name: str = "made") -> tuple[ReleaseRequest, BuildStore]:
    """A request for a release of that step, and the store."""
    model = site / "model"
    files = {path.name: digest_file(path) for path in sorted(model.iterdir())}
    request = ReleaseRequest(
        recipe=name,
        name=name,
        platform="cpu",
        task="fill-mask",
        model=Model(Snapshot("./model", None, files), {"model_type": "bert"}, lambda name: model / name),
        keys=(fake_action(1)[1].key,),
        folder=site / f"releases/{name}-cpu",
        toolchain={"versions": {"torch": importlib.metadata.version("torch")}},
        checked=False,
    )
    return request, open_store(str(site / "store"))


def write_and_load(site: Path, number: int, writers: int) -> bool:
    """Write the release when all are ready, load it, look again when all have loaded it; says whether it was written."""
    request, store = made_request(site)
    verified = VerifiedReleases(None)
    _meet(site, "ready", number, writers)
    index = write_release(request, store, no_job, lambda: request.is_up_to_date(verified))
    loaded = read_release(request.folder)
    _meet(site, "loaded", number, writers)
    loaded.refuse_replaced()
    return index is not None


def _meet(site: Path, what: str, number: int, writers: int) -> None:
    """Wait for all writers."""
    (site / f"{what}-{number}").touch()
    wait_until(lambda: len(list(site.glob(f"{what}-*"))) == writers, seconds=SOON)


if __name__ == "__main__":
    print(write_and_load(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
