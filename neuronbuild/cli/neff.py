"""`neff inspect`: what a compiled Neuron file says of itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from neuronbuild.cli.commands import Commands
from neuronbuild.cli.options import json_option
from neuronbuild.cli.output import put, put_json
from neuronbuild.errors import ReleaseError
from neuronbuild.neff import Neff, NeffError, find_neff

WORDS = {
    "version": "NEFF version",
    "build_version": "compiler",
    "name": "name",
    "lnc_size": "physical cores a core",
    "num_tpb": "cores",
    "feature_bits": "features",
    "data_size": "bytes after the header",
    "offset": "begins at byte",
    "pkg_version": "package version",
    "hash": "hash",
    "uuid": "uuid",
}


@click.group("neff", cls=Commands)
def neff_group() -> None:
    """Look into the Neuron compiler's files. Needs no SDK."""


@neff_group.command("inspect")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def neff_inspect(*, file: Path, as_json: bool) -> int:
    """Print the header of the NEFF in FILE.

    FILE is a NEFF, or a TorchScript archive that holds one, such as a release's model.neuron.
    """
    try:
        neff = find_neff(file)
    except (NeffError, OSError) as error:
        hint = "a NEFF comes from neuronx-cc, and lies in the model.neuron of a release for inf2 or any Trainium"
        raise ReleaseError(str(file), f"it {error}", hint=hint) from None
    if as_json:
        put_json({"version": 1, "neff": asdict(neff)})
    else:
        put(*_lines(neff))
    return 0


def _lines(neff: Neff) -> list[str]:
    fields = asdict(neff) | {"feature_bits": hex(neff.feature_bits)}
    return [f"{words:24}{fields[name]}" for name, words in WORDS.items()]
