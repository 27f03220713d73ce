"""Rules that no linter knows: where imports may stand, that every module has tests, and what the documents promise."""

from __future__ import annotations

import ast
import fnmatch
import functools
import itertools
import re
from pathlib import Path

import click
from click.testing import CliRunner

from neuronbuild.cli import cli
from neuronbuild.cli.commands import Commands
from neuronbuild.platforms import PLATFORMS
from tests.conftest import ROOT

PACKAGE = ROOT / "neuronbuild"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAZY_IMPORTS = {
    "recipe/words.py": "difflib, for errors only",
    "runtime/inputs.py": "difflib, for errors only",
    "source/resolve.py": "the Hub's client, only where a Hub id is used",
    "store/objects/locked_file.py": "filelock, only where a lease is taken",
    "api/applying.py": "what builds and writes, only where there is something to do",
    "release/verified.py": "what writes releases, only where keys are trusted",
    "models/base.py": "transformers' auto classes and the exporting rooms, only where they are asked for",
    "models/releases.py": "the Hub's client and the writing rooms, only where a Hub id is used or a release is saved",
    "cli/run.py": "torch and transformers, only this command needs them",
    "cli/progress.py": "rich, only on a terminal",
    "runtime/session.py": "torch's loader, a private name that only exists where it can be used",
    "worker/registry.py": "the module of a job or a toolchain, when the first such job comes",
    "worker/graph_classes.py": "graphs with a cache, whose modules need a transformers that has one",
    "worker/package.py": "torch's loader",
    "worker/inductor.py": "torch's loader, and Inductor only where something is compiled",
    "worker/selftest.py": "the framework of one generation, where the other isn't installed",
}
"""Files that may import inside functions, and why."""


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def nodes(path: Path, kind) -> list:
    """All nodes of a kind in a module."""
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, kind)]


def imports_inside_functions(path: Path) -> list:
    return [
        node
        for function in nodes(path, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def test_imports_stand_at_the_top_but_for_the_listed_ones():
    lazy = {relative(path) for path in MODULES if imports_inside_functions(path)}
    assert lazy == set(LAZY_IMPORTS)


NAMES_OF_A_STORE = re.compile(r"\bv1/(actions|blobs|snapshots|leases)\b|\bquarantine/\w")


def texts(path: Path) -> list[str]:
    """Strings of a module's code, without those that are documentation."""
    documentation = {id(node.value) for node in nodes(path, ast.Expr)}
    found = [node for node in nodes(path, ast.Constant) if isinstance(node.value, str)]
    return [node.value for node in found if id(node) not in documentation]


def classes_asked_for(path: Path) -> set[str]:
    """Classes that `isinstance` is asked for."""
    calls = [call for call in nodes(path, ast.Call) if ast.unparse(call.func) == "isinstance"]
    return {name.id for call in calls for name in ast.walk(call.args[1]) if isinstance(name, ast.Name)}


def test_nobody_asks_which_class_of_object_store_it_has():
    stores = {node.name for path in MODULES for node in nodes(path, ast.ClassDef) if node.name.endswith("Objects")}
    assert stores >= {"LocalObjects", "MemoryObjects", "RemoteObjects"}
    assert {relative(path): found for path in MODULES if (found := classes_asked_for(path) & stores)} == {}


def cut_names(path: Path) -> list[str]:
    """Slices of an object's name, or of the last part of its path."""
    cuts = [node for node in nodes(path, ast.Subscript) if isinstance(node.slice, ast.Slice)]
    return [ast.unparse(node) for node in cuts if ast.unparse(node.value).rpartition(".")[2] == "name"]


def test_names_of_a_store_are_written_and_parsed_in_one_module():
    others = [path for path in MODULES if relative(path) != "store/names.py"]
    assert [relative(path) for path in others if any(map(NAMES_OF_A_STORE.search, texts(path)))] == []
    assert {relative(path): cut_names(path) for path in others if "store" in path.parts and cut_names(path)} == {}


FACTORIES = {
    "arange", "empty", "eye", "full", "linspace", "ones", "rand", "randint", "randn", "randperm", "scalar_tensor", "tensor",
    "zeros",
}  # fmt: skip
"""Functions of torch that make a tensor, on the CPU unless told otherwise: in a traced graph that is the wrong device."""


def test_the_worker_says_on_which_device_it_makes_a_tensor():
    silent = [
        f"{relative(path)}:{call.lineno}"
        for path in MODULES
        if path.parent.name == "worker"
        for call in nodes(path, ast.Call)
        if isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) == "torch"
        and call.func.attr in FACTORIES
        and not any(keyword.arg == "device" for keyword in call.keywords)
    ]
    assert silent == []


def imports_by_name(path: Path) -> list[str]:
    """Calls that import a module whose name is a value: no linter follows them."""
    return [
        ast.unparse(call)
        for call in nodes(path, ast.Call)
        if ast.unparse(call.func).rpartition(".")[2] in {"import_module", "__import__", "spec_from_file_location"}
    ]


def imported_siblings(path: Path) -> set[str]:
    """Modules that a module of the worker imports from its own package."""
    own = [node for node in nodes(path, ast.ImportFrom) if node.level == 1]
    return {name for node in own for name in ([node.module] if node.module else [alias.name for alias in node.names])}


def test_only_the_start_of_the_worker_imports_by_a_name_in_a_string():
    """The contract "No cycles, at any depth" holds for all of the worker, since it sees every other import."""
    worker = [path for path in MODULES if path.parent.name == "worker"]
    assert {path.name for path in worker if imports_by_name(path)} == {"__main__.py"}
    assert imports_by_name(PACKAGE / "worker/__main__.py")[1:] == ["importlib.import_module(NAME + '.serve')"]


def test_no_module_of_the_worker_imports_what_serves_jobs():
    imported = {path.name: imported_siblings(path) for path in MODULES if path.parent.name == "worker"}
    assert {"errors", "registry"} <= imported["serve.py"]
    assert [name for name, siblings in imported.items() if "serve" in siblings] == []


def test_no_module_takes_a_name_from_the_package_root():
    taken = {
        (relative(path), alias.name)
        for path in MODULES
        for node in nodes(path, ast.ImportFrom)
        if node.module == "neuronbuild"
        for alias in node.names
    }
    assert {name for _, name in taken} <= {"api"}, taken


BY_FLOWS = {"worker", "cli"}
"""Rooms that the flows hold, by running them as processes."""

RECORDS = {"api/prepared.py", "toolchain/setup.py", "store/base.py", "store/objects/backend.py"}
"""Modules of records and interfaces without code of their own: a test could only repeat them."""

UNIT_TESTED = [
    path
    for path in MODULES
    if path.name not in {"__init__.py", "__main__.py", "version.py"}
    and path.parent.name not in BY_FLOWS
    and relative(path) not in RECORDS
]


def test_every_module_has_its_unit_tests():
    expected = {path: ROOT / "tests/unit" / path.relative_to(PACKAGE).parent / f"test_{path.stem}.py" for path in UNIT_TESTED}
    assert [relative(path) for path, tests in expected.items() if not tests.is_file()] == []


def test_pytest_looks_for_tests_in_every_folder_that_has_some(pytestconfig):
    passed_over = pytestconfig.getini("norecursedirs")
    folders = {part for file in (ROOT / "tests").rglob("test_*.py") for part in file.relative_to(ROOT).parts[:-1]}
    assert [name for name in sorted(folders) for pattern in passed_over if fnmatch.fnmatch(name, pattern)] == []


def test_every_group_suggests_commands_for_mistyped_ones():
    groups = [cli, *(cli.get_command(click.Context(cli), name) for name in cli.list_commands(click.Context(cli)))]
    found = [group for group in groups if isinstance(group, click.Group)]
    assert len(found) >= 4
    assert [group.name for group in found if not isinstance(group, Commands)] == []


def commands() -> list[str]:
    context = click.Context(cli)
    names = []
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        names += [f"{name} {sub}" for sub in command.commands] if isinstance(command, click.Group) else [name]
    return names


def test_every_command_has_help_and_stands_in_the_reference():
    reference = (ROOT / "docs/commands.md").read_text()
    for command in commands():
        done = CliRunner().invoke(cli, [*command.split(), "--help"])
        assert (command, done.exit_code) == (command, 0)
        assert len(done.output.splitlines()) > 4, command
        assert f"neuronbuild {command}" in reference


def test_every_command_is_in_the_table_of_what_it_may_do():
    page = (ROOT / "docs/security.md").read_text()
    rows = page.partition("| command | reads | writes | runs | sends |\n")[2].partition("\n\n")[0].splitlines()[1:]
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    assert [row for row in rows if len(row.strip("| ").split(" | ")) != 5] == []
    assert sorted(name for name in named if not re.search(r"[(_]", name)) == sorted(commands())


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


def test_planning_opens_nothing():
    assert {relative(path): calls_of(tree_of(path)) & OPENING for path in PURE if calls_of(tree_of(path)) & OPENING} == {}


def exits(path: Path) -> set[str]:
    """What in a module prints, or ends the process."""
    raised = [node.exc for node in nodes(path, ast.Raise) if node.exc is not None]
    names = {name.id for raise_ in raised for name in ast.walk(raise_) if isinstance(name, ast.Name)}
    return calls_of(tree_of(path)) & {"print", "exit", "quit", "_exit", "abort", "echo"} | names & {"SystemExit"}


def test_only_the_command_line_prints_or_exits():
    others = [path for path in MODULES if path.parent.name not in {"cli", "worker"} and path.name != "__main__.py"]
    assert {relative(path): exits(path) for path in others if exits(path)} == {}


def plurals_of(path: Path) -> set[str]:
    """The plurals that a module leaves to `counted`."""
    calls = [call for call in nodes(path, ast.Call) if getattr(call.func, "id", "") == "counted"]
    said = [[noun.value for noun in call.args[1:] if isinstance(noun, ast.Constant)] for call in calls]
    return {nouns[1] if len(nouns) > 1 else f"{nouns[0]}s" for nouns in said if nouns}


def numbers_before(plurals: set[str], text: ast.JoinedStr) -> list[str]:
    """Values in a text that one of these plurals follows directly, but for constants, which are never one."""
    return [
        ast.unparse(value)
        for value, after in itertools.pairwise(text.values)
        if isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant)
        if not (isinstance(value.value, ast.Name) and value.value.id.isupper())
        if (found := re.match(r" (\w+)(?![\w'])", str(after.value))) and found[1] in plurals
    ]


def test_no_number_stands_before_a_plural_that_may_be_wrong():
    plurals = set().union(*map(plurals_of, MODULES))
    assert {"artifacts", "files", "misses"} <= plurals
    found = {path: [text for each in nodes(path, ast.JoinedStr) for text in numbers_before(plurals, each)] for path in MODULES}
    logged = {relative(path) for path in MODULES if re.search(rf"%d ({'|'.join(plurals)})\b", path.read_text())}
    assert ({relative(path): values for path, values in found.items() if values}, logged) == ({}, set())


def test_the_command_line_prints_through_one_module_which_cleans_what_others_wrote():
    printing = {"echo", "secho", "print", "write"}
    found = {relative(path): calls_of(tree_of(path)) & printing for path in MODULES if path.parent.name == "cli"}
    assert {path: calls for path, calls in found.items() if calls} == {
        "cli/output.py": {"echo", "write"},
        "cli/progress.py": {"print"},  # rich's, around the live lines
    }


def test_python_in_the_documents_compiles():
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for block in re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL):
            compile(block, str(document), "exec")


DEVICES = {"runtime/inputs.py", "models/likeness.py", "models/sentences.py"}
"""Modules that compare `cpu` with a device of torch's, and not with a platform."""


def test_platforms_are_asked_by_their_rows_and_not_by_their_names():
    names = set(PLATFORMS)

    def is_compared(node: ast.Compare) -> bool:
        words = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
        return bool(words & names)

    found = {relative(module) for module in MODULES for node in nodes(module, ast.Compare) if is_compared(node)}
    assert {name for name in found if not name.startswith("worker/")} == DEVICES
