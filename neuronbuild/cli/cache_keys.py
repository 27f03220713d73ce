"""`cache keygen` and `cache sign`: who built what."""

from __future__ import annotations

from pathlib import Path

import click

from neuronbuild.api.signing import refuse_exposed, sign_store
from neuronbuild.cli.options import cache_option, settings_for
from neuronbuild.cli.output import put
from neuronbuild.errors import UsageError
from neuronbuild.store.trust import make_key


@click.command("keygen")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def keygen_command(*, file: Path) -> None:
    """Make a signing key: the private one goes to FILE, which only you can read; the public one is printed.

    A builder names FILE as `signing_key` in neuronbuild.yaml (or NEURONBUILD_SIGNING_KEY); readers list the public key under
    `trusted_keys`. FILE must not be one that git would commit. To change keys, list both there, sign with the new one (`cache
    sign`), then drop the old one.
    """
    refuse_exposed(file)
    try:
        public = make_key(file)
    except FileExistsError:
        raise UsageError(f"{file} is there already", hint="a key that is overwritten is lost: choose another name") from None
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}", hint="choose another place") from None
    put(public)


@click.command("sign")
@cache_option
def sign_command(**changes: object) -> None:
    """Sign what is in the store, near or (with --remote) far, with the workspace's signing key as well.

    Only artifacts that the workspace trusts already are signed.
    """
    signed, refused = sign_store(settings_for(**changes), far=bool(changes.get("remote")))
    put(f"{signed} signed" + (f", {refused} not trusted and left alone" if refused else ""))
