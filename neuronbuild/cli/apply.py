"""`apply`: compile what is missing, write the releases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuronbuild import api
from neuronbuild.build.report import InterruptedBuildError, count
from neuronbuild.cli.failures import errors_json, read, tell, told_first
from neuronbuild.cli.options import (
    cache_option,
    json_option,
    lock_options,
    platform_option,
    recipe_arguments,
    sdk_option,
    settings_for,
)
from neuronbuild.cli.output import put, put_json, say
from neuronbuild.cli.progress import LineProgress

if TYPE_CHECKING:
    from neuronbuild.api import ApplyReport, Settings
    from neuronbuild.errors import NeuronBuildError
    from neuronbuild.recipe.located import Located


@click.command("apply")
@recipe_arguments
@cache_option
@platform_option
@sdk_option
@json_option
@lock_options
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder of releases. Default: releases/.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Compiles at a time.")
@click.option("-k", "--keep-going", is_flag=True, default=None, help="Go on after a failure with whatever doesn't need it.")
@click.option("--no-build", is_flag=True, default=None, help="Compile nothing: what is in no store is an error that lists it.")
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds that one compile may take.")
@click.option(
    "--link-mode",
    type=click.Choice(["auto", "reflink", "hardlink", "copy"]),
    help="How files get into releases. auto: reflink, else a hard link to what never changes, else a copy.",
)
def apply_command(*, recipes: tuple[Path, ...], recursive: bool, as_json: bool, **changes: object) -> int:
    """Compile what is not in the store, and write a release folder for each recipe and platform."""
    settings = settings_for(**changes)
    failures: list[NeuronBuildError] = []
    located = read(recipes, settings, failures, recursive=recursive)
    with told_first(failures):
        report = _apply(located, settings, failures)
        if as_json:
            put_json({**report.as_json(), **errors_json(failures)})
        elif report.outcomes or not failures:
            put(f"Applied: {_summary(count(report.outcomes))}.")
            for release in report.releases:
                put(f"  {release.folder}")
    unplanned = tell(failures)
    return _status(report) or unplanned


def _apply(located: list[Located], settings: Settings, failures: list[NeuronBuildError]) -> ApplyReport:
    progress = LineProgress()
    try:
        return api.apply(located, settings, progress, failures)
    except InterruptedBuildError as error:
        say(f"interrupted: {_summary(count(error.outcomes))}")
        raise
    finally:
        progress.close()


def _summary(counts: dict[str, int]) -> str:
    parts = [f"{counts['built']} compiled", f"{counts['reused']} reused"]
    parts += [f"{counts[kind]} {kind}" for kind in ("failed", "skipped") if counts[kind]]
    return ", ".join(parts)


def _status(report: ApplyReport) -> int:
    status = tell(failure.error for failure in report.failures)
    if any(outcome.kind in {"failed", "skipped"} for outcome in report.outcomes):
        return 1
    return status
