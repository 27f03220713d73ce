"""The worker runs in interpreters that the tool itself doesn't: older ones, without the package around it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "neuronbuild/worker"
FILES = sorted(FOLDER.glob("**/*.py"))
OLDEST = (3, 9)


@pytest.fixture(params=FILES, ids=lambda file: file.name)
def tree(request):
    return ast.parse(request.param.read_text(encoding="utf-8"), feature_version=OLDEST)


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == name]


def test_there_are_files_to_look_at():
    assert {"__main__.py", "serve.py", "supervise.py"} <= {file.name for file in FILES}


def test_it_parses_as_the_oldest_python_that_it_serves(tree):
    assert tree.body


def test_it_imports_nothing_of_the_package_but_by_relative_names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.partition(".")[0] == "neuronbuild"]
        elif isinstance(node, ast.ImportFrom):
            assert node.level in {0, 1}
            assert node.level == 1 or (node.module or "").partition(".")[0] != "neuronbuild"


def test_annotations_are_never_evaluated(tree):
    """`int | None` is no expression for the oldest Python."""
    unions = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)]
    future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert future or not unions


def test_it_uses_no_argument_that_came_later(tree):
    assert not [call for call in calls(tree, "zip") if any(keyword.arg == "strict" for keyword in call.keywords)]


def test_the_parser_knows_newer_syntax_from_older():
    with pytest.raises(SyntaxError):
        ast.parse("match 1:\n    case 1: pass", feature_version=OLDEST)
