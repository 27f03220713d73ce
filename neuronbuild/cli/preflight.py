"""`preflight`: would these graphs lower for Neuron, and what would the compiler be handed?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuronbuild.api.front_end_setup import set_up
from neuronbuild.api.preflight import Finding, preflight
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
from neuronbuild.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neuronbuild.artifact.lowering import Lowering
    from neuronbuild.errors import NeuronBuildError
    from neuronbuild.recipe.target import Target

MIB = 1 << 20
MOST = 6
"""Operators that are shown, the most frequent first."""


@click.command("preflight")
@recipe_arguments
@cache_option
@platform_option
@sdk_option
@json_option
@lock_options
@click.option("--setup", is_flag=True, help="Make the environment with torch-xla that this needs, and do nothing else.")
@click.option(
    "--hlo", type=click.Path(path_type=Path, file_okay=False), help="Keep the modules in this folder, one each target."
)
def preflight_command(
    *,
    recipes: tuple[Path, ...],
    recursive: bool,
    as_json: bool,
    setup: bool,
    hlo: Path | None,
    **changes: object,
) -> int:
    """Lower every Neuron target with torch-xla, the SDK's own front end, on this machine: no SDK, no device.

    For each target: whether it lowers, or what stops it and where in the model; what is a constant of the graph that shouldn't
    be; operators and sizes; and whether what was lowered answers as eager PyTorch does. Exits with 1 where something is wrong.
    """
    settings = settings_for(**changes)
    if setup:
        put(f"{set_up(settings)} is ready")
        return 0
    failures: list[NeuronBuildError] = []
    located = read(recipes, settings, failures, recursive=recursive)
    with told_first(failures):
        found = preflight(located, settings, failures=failures, keep=hlo, note=_note)
    if as_json:
        put_json({"version": 1, "targets": [_as_json(each) for each in found], **errors_json(failures)})
    elif found or not failures:
        put(*_lines(found))
    wrong = any(each.lowering is not None and not each.lowering.sound for each in found)
    return tell(failures) or int(wrong)


def _note(target: Target) -> None:
    say(f"lowering {target}")


def _as_json(each: Finding) -> dict[str, object]:
    lowering = None if each.lowering is None else asdict(each.lowering)
    return {**each.target.as_json(), "key": each.key, "lowering": lowering}


def _lines(found: list[Finding]) -> Iterator[str]:
    for each in found:
        if each.lowering is None:
            yield f"- {each.target}: not lowered here; {each.target.options.toolchain} compiles it"
            continue
        yield f"{'+' if each.lowering.sound else 'x'} {each.target}: {_figures(each.lowering)}"
        yield from (f"    {problem}" for problem in each.lowering.problems)
        yield from (f"    note: {note}" for note in each.lowering.notes)
    lowered = [each.lowering for each in found if each.lowering is not None]
    wrong = sum(not each.sound for each in lowered)
    yield f"Preflight: {counted(len(lowered), 'target')} lowered, {wrong:,} with something wrong."


def _figures(said: Lowering) -> str:
    if not said.hlo_bytes:
        return "doesn't lower"
    common = sorted(said.operators.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST]
    operators = ", ".join(f"{count} {name}" for name, count in common)
    sizes = f"{said.parameters:,} parameters, {said.weight_bytes / MIB:.0f} MiB of weights"
    cache = f", {said.cache_bytes / MIB:.1f} MiB of cache" if said.cache_bytes else ""
    differs = "" if said.difference is None else f"; {said.difference:.1e} from eager"
    return f"{sizes}{cache}, {said.hlo_bytes / MIB:.1f} MiB of HLO ({operators}){differs}"
