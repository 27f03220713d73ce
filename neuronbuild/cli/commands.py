"""Groups of commands that know what was meant by a mistyped one."""

from __future__ import annotations

import difflib

import click

MEANT = {
    "build": "apply",
    "check": "validate",
    "clean": "cache prune",
    "compile": "apply",
    "delete": "cache rm",
    "diff": "plan",
    "export": "apply",
    "gc": "cache prune",
    "infer": "run",
    "inspect": "neff inspect",
    "list": "cache ls",
    "lookup": "cache ls",
    "predict": "run",
    "remove": "cache rm",
    "status": "cache stats",
    "synchronize": "cache push",
    "upload": "cache push",
    "why": "explain",
}
"""Commands by the names that other tools have for them."""


class Commands(click.Group):
    """A group that answers an unknown command with those that it may be."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of that name.

        Raises:
            click.UsageError: there is none; told with the nearest.
        """
        name = args[0]
        if self.get_command(ctx, name) is not None or name.startswith("-"):
            return super().resolve_command(ctx, args)
        near = _nearest(name, _all_commands(ctx.find_root()))
        advice = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise click.UsageError(f"No such command {name!r}.{advice}", ctx)


def _all_commands(root: click.Context) -> list[str]:
    """Every command in full: `plan`, `cache ls`."""
    if not isinstance(root.command, click.Group):
        return []
    found = []
    for name in root.command.list_commands(root):
        command = root.command.get_command(root, name)
        found.append(name)
        if isinstance(command, click.Group):
            found += [f"{name} {inner}" for inner in command.list_commands(root)]
    return found


def _nearest(name: str, commands: list[str]) -> list[str]:
    """Commands that are called so elsewhere, or whose last word is like it."""
    meant = MEANT.get(name.lower())
    if meant in commands:
        return [meant]
    words = {command.rpartition(" ")[2] for command in commands}
    near = difflib.get_close_matches(name.lower(), words, n=2)
    return [command for word in near for command in commands if command.rpartition(" ")[2] == word]
