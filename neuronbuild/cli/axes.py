"""`axes`: what must be given to compile a model."""

from __future__ import annotations

import click

from neuronbuild.api.introspection import axes
from neuronbuild.cli.options import json_option
from neuronbuild.cli.output import put, put_json


@click.command("axes")
@click.argument("model")
@click.option("--task", help="Default: the task that the model's config tells.")
@click.option("--revision", help="Branch, tag or commit of a model on the Hub.")
@json_option
def axes_command(*, model: str, task: str | None, revision: str | None, as_json: bool) -> None:
    """Say which axes must be given to compile MODEL: a Hub id, a folder, or package:module/subfolder."""
    found = axes(model, task, revision=revision)
    if as_json:
        put_json(found.as_json())
        return
    put(f"task       {found.task}  ({found.model_class})")
    put(f"mandatory  {', '.join(found.mandatory) or 'none'}")
    if found.optional:
        put(f"optional   {', '.join(f'{axis} (default {size})' for axis, size in found.optional.items())}")
