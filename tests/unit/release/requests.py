"""Requests for releases of what `built` compiled, and jobs that must not or can't run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from neuronbuild.api.prepare import Context, prepare
from neuronbuild.api.requests import release_request
from neuronbuild.api.settings import Settings
from neuronbuild.errors import ReleaseError
from neuronbuild.recipe.load import load_recipes
from neuronbuild.release.request import ReleaseRequest
from neuronbuild.store.cas import CasStore


def request_for(built, recipe: str, output: Path, store: Path | None = None, **changes) -> tuple[ReleaseRequest, CasStore]:
    """What a recipe of `built` comes to, and the store that has its artifacts."""
    settings = replace(Settings(), cache=str(store or built.cache), output=output)
    context = Context.open(settings)
    [prepared] = prepare(load_recipes([built.recipes / f"{recipe}.yaml"]), context)
    return replace(release_request(prepared, settings, checked=True), **changes), context.store


def no_job(job, model, keep):
    """For releases that need no conversion and no check."""
    raise AssertionError(f"a job of kind {job['kind']} was run")


def failing_job(job, model, keep):
    """What a worker comes to when the numbers are wrong."""
    raise ReleaseError("any", f"the {job['kind']} failed")


class RecordingJob:
    """Keeps the jobs that were asked for, and answers each with the result given."""

    def __init__(self, folder: Path, result: dict) -> None:
        self.jobs: list[dict] = []
        self._folder = folder
        self._result = result

    def __call__(self, job, model, keep):
        self.jobs.append(job)
        return keep(self._folder, self._result, 1.5)
