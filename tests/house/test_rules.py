"""Rules that no linter knows: where imports may stand, that every module has tests, and what the documents promise."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from neuronbuild.cli import cli
from tests.conftest import ROOT, run_cli

PACKAGE = ROOT / "neuronbuild"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAZY_IMPORTS = {
    "recipe/schema.py": "difflib, for errors only",
    "runtime/inputs.py": "difflib, for errors only",
    "source/resolve.py": "the Hub's client, only where a Hub id is used",
    "store/lease.py": "filelock, only where a lease is taken",
    "api/applying.py": "what builds and writes, only where there is something to do",
    "models/base.py": "transformers' auto classes and the exporting rooms, only where they are asked for",
    "cli/run.py": "torch and transformers, only this command needs them",
    "cli/progress.py": "rich, only on a terminal",
    "runtime/session.py": "torch's loader, a private name that only exists where it can be used",
    "worker/serve.py": "the module of a job, when the first such job comes",
    "worker/package.py": "torch's loader",
    "worker/inductor.py": "torch's loader",
    "worker/selftest.py": "the framework of one generation, where the other isn't installed",
}
"""Files that may import inside functions, and why."""


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_stand_at_the_top(path):
    tree = ast.parse(path.read_text())
    inner = [
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not inner or relative(path) in LAZY_IMPORTS


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_module_takes_a_name_from_the_package_root(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "neuronbuild":
            assert [alias.name for alias in node.names] == ["api"]


BY_FLOWS = {"worker", "cli"}
"""Rooms that the flows hold, by running them as processes."""

UNIT_TESTED = [
    path
    for path in MODULES
    if path.name not in {"__init__.py", "__main__.py", "version.py"} and path.parent.name not in BY_FLOWS
]


@pytest.mark.parametrize("path", UNIT_TESTED, ids=relative)
def test_every_module_has_its_unit_tests(path):
    assert (ROOT / "tests/unit" / path.relative_to(PACKAGE).parent / f"test_{path.stem}.py").is_file()


def commands() -> list[str]:
    context = click.Context(cli)
    names = []
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        names += [f"{name} {sub}" for sub in command.commands] if isinstance(command, click.Group) else [name]
    return names


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help_and_stands_in_the_reference(command, tmp_path):
    done = run_cli(*command.split(), "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 4
    assert f"neuronbuild {command}" in (ROOT / "docs/commands.md").read_text()


def test_the_readme_names_the_two_commands_and_they_exist():
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in ("apply", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_invariant_names_the_test_that_holds_it():
    text = (ROOT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| \d+ \|.*$", text, re.MULTILINE)
    named = [re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row) for row in rows]
    assert len(rows) >= 12
    assert [row for row, tests in zip(rows, named, strict=True) if not tests and "import contract" not in row] == []
    assert [test for tests in named for test in tests if test[1] not in functions_of(ROOT / test[0])] == []


def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


PURE = [
    path
    for path in MODULES
    if path.parent.name in {"plan", "tasks"} or relative(path) in {"recipe/grid.py", "recipe/target.py"}
]
OPENING = {
    "open",
    "read_plain",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "stat",
    "exists",
    "is_file",
    "is_dir",
    "iterdir",
}
"""Names of calls that touch a disk: some need no import that a contract could forbid."""


def calls_of(tree: ast.AST) -> set[str]:
    """The last name of everything that is called."""
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {name.id for name in called if isinstance(name, ast.Name)} | {
        name.attr for name in called if isinstance(name, ast.Attribute)
    }


@pytest.mark.parametrize("path", PURE, ids=relative)
def test_planning_opens_nothing(path):
    assert not calls_of(ast.parse(path.read_text())) & OPENING


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.parent.name not in {"cli", "worker"} and path.name != "__main__.py"], ids=relative
)
def test_only_the_command_line_prints_or_exits(path):
    tree = ast.parse(path.read_text())
    assert not calls_of(tree) & {"print", "exit", "quit", "_exit", "abort", "echo"}
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    assert "SystemExit" not in {name.id for raise_ in raised for name in ast.walk(raise_) if isinstance(name, ast.Name)}


def test_python_in_the_documents_compiles():
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for block in re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL):
            compile(block, str(document), "exec")
