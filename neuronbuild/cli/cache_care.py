"""`cache verify`, `cache restore`, `cache prune`, `cache stats`: what keeps a store sound, small and worth its while."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from neuronbuild.api.caring import prune, restore, stats, verify
from neuronbuild.cli.options import cache_option, json_option, settings_for
from neuronbuild.cli.output import put, put_json, say
from neuronbuild.counts import counted, size_text
from neuronbuild.errors import UsageError
from neuronbuild.store.care.prune import OF_FILES

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.store.care.prune import Pruned
    from neuronbuild.store.care.verify import VerifyReport

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
TIMES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@click.command("verify")
@click.option("--repair", is_flag=True, help="Put what is damaged aside: near, or (with --remote) far.")
@cache_option
@json_option
def verify_command(*, repair: bool, as_json: bool, **changes: object) -> int:
    """Read every byte of the store, and of the far ones, and check it against its digest. Exits with 1 if any is damaged.

    One that was interrupted goes on where it was. What no trusted builder signed is counted, and is no damage. What a far store
    doesn't hand out is told, stays, and exits with 1. Nothing is changed in a far store that isn't named with --remote.
    """
    reports = verify(settings_for(**changes), repair=repair, far=changes.get("remote") is not None)
    if as_json:
        near, *far = (report.as_json() for report in reports)
        put_json({**near, "far": far})
    else:
        for report in reports:
            for damage in report.damages:
                put(f"{damage.name}: {damage.problem}")
            for each in report.unreadable:
                put(f"{each.name}: can't be read: {each.problem}")
            for stray in report.strays:
                put(f"{stray!a:.200}: it is no object of the store, and is left alone")
            read = _read(report)
            put(f"{report.location}: {read}" if len(reports) > 1 else read)
    return 1 if any(report.damages or report.unreadable for report in reports) else 0


def _read(report: VerifyReport) -> str:
    found = f"{counted(report.artifacts, 'artifact')}, {counted(report.blobs, 'blob')}, {counted(report.size, 'byte')}"
    read = f"{found} read, {len(report.damages)} damaged"
    if report.unreadable:
        read += f", {len(report.unreadable)} not handed out and not checked"
    if report.untrusted:
        read += f", {report.untrusted} that no trusted builder signed"
    return f"{read} ({report.newer} recorded by a newer version of neuronbuild, not checked)" if report.newer else read


@click.command("restore")
@cache_option
@json_option
def restore_command(*, as_json: bool, **changes: object) -> None:
    """Bring back what was put aside, in the store or (with --remote) in a far one.

    Every object is checked first: what is damaged stays in quarantine/, and so does what has another one in its place.
    """
    restored = restore(settings_for(**changes), far=changes.get("remote") is not None)
    if as_json:
        put_json(restored.as_json())
        return
    for name, problem in restored.left:
        put(f"{name}: {problem}")
    numbers = {"artifact": restored.artifacts, "blob": restored.blobs, "snapshot": restored.snapshots}
    told = ", ".join(counted(number, noun) for noun, number in numbers.items())
    put(f"{told} brought back, {len(restored.left)} left in quarantine")


@click.command("prune")
@click.option("--max-size", metavar="SIZE", help="Least recently used artifacts go until the rest fits: 50GB, 10GiB.")
@click.option("--max-age", metavar="TIME", help="Artifacts go that weren't used for so long: 30d, 12h.")
@click.option("--grace", metavar="TIME", default="1h", show_default=True, help="What was used within this time stays.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--keep", multiple=True, type=click.Path(exists=True), help="A release, or a folder of releases, or a lock.")
@cache_option
@json_option
def prune_command(
    *,
    max_size: str | None,
    max_age: str | None,
    grace: str,
    dry_run: bool,
    keep: tuple[Path, ...],
    as_json: bool,
    **changes: object,
) -> int:
    """Make room in the store, or (with --remote) in a far one.

    What neuronbuild.lock, the releases of the workspace and --keep name stays, and so does what was just used. Blobs that no
    artifact names go always. Exits with 1 if what must stay takes more than --max-size.
    """
    settings = settings_for(**changes)
    limits = (None if max_size is None else _bytes(max_size), None if max_age is None else _seconds(max_age), _seconds(grace))
    pruned = prune(settings, limits, keep=keep, dry_run=dry_run, far=bool(changes.get("remote")))
    if as_json:
        put_json(pruned.as_json())
    else:
        verb = "would go" if dry_run else "went"
        gone = f"{counted(len(pruned.artifacts), 'artifact')} and {counted(pruned.blobs, 'blob')} {verb}"
        put(f"{gone}: {counted(pruned.freed, 'byte')}; {pruned.left:,} left")
        if pruned.unfinished:
            put(f"unfinished writes of killed commands that {verb}: {pruned.unfinished}")
        for kept in pruned.kept:
            noun = "file" if kept.reason in OF_FILES else "artifact"
            put(f"  kept: {counted(kept.number, noun)} {kept.reason}: {counted(kept.bytes, 'byte')}")
    return _reached(pruned, limits[0])


def _reached(pruned: Pruned, most: int | None) -> int:
    """The exit status: 1, with a message, where more is left than there should be."""
    if most is None or pruned.left <= most:
        return 0
    why = "; ".join(f"{size_text(kept.bytes)} {kept.reason}" for kept in pruned.kept)
    say(
        f"error: {counted(pruned.left, 'byte')} left, more than --max-size {most:,}: {why}",
        "  hint: use a shorter --grace, move releases away, or raise --max-size",
    )
    return 1


@click.command("stats")
@cache_option
@json_option
def stats_command(*, as_json: bool, **changes: object) -> None:
    """Say what the store holds, and what it has saved."""
    found = stats(settings_for(**changes))
    if as_json:
        put_json(found.as_json())
        return
    for place in found.places:
        sizes = place.sizes
        held = f"{counted(sizes.artifacts, 'artifact')}, {counted(sizes.blobs, 'blob')}, {counted(sizes.size, 'byte')}"
        put(f"{place.location}: {held}")
    run = found.run
    asked = run.hits + run.misses
    rate = f" ({100 * run.hits / asked:.0f} %)" if asked else ""
    put(f"{counted(run.hits, 'hit')}, {counted(run.misses, 'miss', 'misses')}{rate}")
    put(f"saved: {run.seconds_saved:,.0f} s of compiling, {counted(run.bytes_saved, 'byte')}")


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", text.strip().lower())
    if found is None or found[2] not in UNITS:
        raise UsageError(f"{text!r} is no size", hint="write 500MB, 50GB or 10GiB")
    return int(float(found[1]) * UNITS[found[2]])


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    if found is None:
        raise UsageError(f"{text!r} is no time", hint="write 45s, 30m, 12h, 30d or 8w")
    return float(found[1]) * TIMES[found[2]]
