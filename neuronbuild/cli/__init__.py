"""The command line: parse, one call, render, exit status. The only room that prints or exits."""

from __future__ import annotations

import os
import sys
import traceback

import click

from neuronbuild.cli.apply import apply_command
from neuronbuild.cli.cache import cache_group
from neuronbuild.cli.doctor import doctor_command
from neuronbuild.cli.plan import plan_command, validate_command
from neuronbuild.cli.run import run_command
from neuronbuild.errors import NeuronBuildError
from neuronbuild.version import __version__

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="neuronbuild")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(*, debug: bool) -> None:
    """Compile Hugging Face models ahead of time, from recipes, through a cache, into release folders."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    click.get_current_context().obj = debug


for command in (plan_command, apply_command, run_command, validate_command, cache_group, doctor_command):
    cli.add_command(command)


def main() -> None:
    """Run the command line, and exit with its status."""
    debug = "--debug" in sys.argv[1:2]
    try:
        status = cli(standalone_mode=False)
    except NeuronBuildError as error:
        if debug:
            traceback.print_exc()
        click.echo(f"error: {error}", err=True)
        if error.hint:
            click.echo(f"  hint: {error.hint}", err=True)
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        status = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` closed it: no complaint at exit
        status = 1
    sys.exit(status if isinstance(status, int) else 0)
