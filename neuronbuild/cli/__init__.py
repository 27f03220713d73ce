"""The command line: parse, one call, render, exit status. The only room that prints or exits."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from typing import final

import click

from neuronbuild.cli.commands import Commands
from neuronbuild.cli.output import OutputError, current_folder, drop_stdout, guard_streams, say, say_error
from neuronbuild.errors import NeuronBuildError
from neuronbuild.version import __version__

INTERRUPTED = 130
ALLOCATIONS = 100_000
"""Between two passes of the garbage collector: a plan keeps nearly all that it makes, and looking through it is for nothing."""

COMMANDS = {
    "plan": "neuronbuild.cli.plan:plan_command",
    "explain": "neuronbuild.cli.explain:explain_command",
    "preflight": "neuronbuild.cli.preflight:preflight_command",
    "apply": "neuronbuild.cli.apply:apply_command",
    "lock": "neuronbuild.cli.lock:lock_command",
    "run": "neuronbuild.cli.run:run_command",
    "axes": "neuronbuild.cli.axes:axes_command",
    "validate": "neuronbuild.cli.validate:validate_command",
    "cache": "neuronbuild.cli.cache:cache_group",
    "release": "neuronbuild.cli.release:release_group",
    "neff": "neuronbuild.cli.neff:neff_group",
    "trust": "neuronbuild.cli.trust:trust_command",
    "doctor": "neuronbuild.cli.doctor:doctor_command",
}
"""Commands by name, in the order of a build. A module is imported when its command is asked for: `plan` runs in a third of a
second, and importing what it doesn't use would be a fifth of that."""


@final
class AllCommands(Commands):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click passes it)
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """One command, imported now."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=AllCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="neuronbuild")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(*, debug: bool) -> None:
    """Compile Hugging Face models ahead of time, from recipes, through a cache, into release folders."""
    current_folder()  # most of what follows would fail without it, each in its own words
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    click.get_current_context().obj = debug


def _stop_on_signals() -> None:
    """Have a terminal that closes, and whoever sends SIGTERM, stop a command as cleanly as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # under nohup a hang-up is ignored
            signal.signal(number, signal.default_int_handler)


def main() -> None:
    """Run the command line, and exit with its status."""
    debug = "--debug" in sys.argv[1:2]
    guard_streams()
    _stop_on_signals()
    gc.set_threshold(ALLOCATIONS)
    try:
        status = cli(standalone_mode=False)
    except NeuronBuildError as error:
        if isinstance(error, OutputError):
            drop_stdout()
        say_error(error, debug=debug)
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        status = INTERRUPTED
    except BrokenPipeError:
        drop_stdout()  # `| head` closed it
        status = 1
    sys.exit(status if isinstance(status, int) else 0)
