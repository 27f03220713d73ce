"""Ceilings on sizes: what makes a codebase hard to read is its tail, not its average."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "neuronbuild"
MODULES = sorted(PACKAGE.rglob("*.py"))
DATA = {"family_defaults.py"}

MODULE_LINES = 300
FUNCTION_LINES = 50
CLASS_METHODS = 14


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def body_lines(function):
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return body[-1].end_lineno - body[0].lineno + 1


def oversized(path: Path) -> list[str]:
    """What of a module is larger than its ceiling."""
    text = path.read_text()
    tree = ast.parse(text)
    found = ["module"] if len(text.splitlines()) > MODULE_LINES else []
    found += [function.name for function in functions(tree) if body_lines(function) > FUNCTION_LINES]
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return found + [each.name for each in classes if len(methods(each)) > CLASS_METHODS]


def methods(tree: ast.ClassDef) -> list[ast.FunctionDef]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_modules_functions_and_classes_stay_below_their_ceilings():
    assert {str(path): oversized(path) for path in MODULES if path.name not in DATA and oversized(path)} == {}


def test_every_module_says_what_lives_in_it():
    assert [str(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))] == []
