"""Ceilings on sizes: what makes a codebase hard to read is its tail, not its average."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "neuronbuild"
MODULES = sorted(PACKAGE.rglob("*.py"))
DATA = {"family_defaults.py"}

MODULE_LINES = 300
FUNCTION_LINES = 50
CLASS_METHODS = 14
INIT_LINES = 60


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def body_lines(function):
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return body[-1].end_lineno - body[0].lineno + 1


@pytest.mark.parametrize("path", [p for p in MODULES if p.name not in DATA], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_stays_below_its_ceilings(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= MODULE_LINES
    assert [f.name for f in functions(tree) if body_lines(f) > FUNCTION_LINES] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            assert len([f for f in node.body if isinstance(f, ast.FunctionDef)]) <= CLASS_METHODS, node.name


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_says_what_lives_in_it(path):
    assert ast.get_docstring(ast.parse(path.read_text())), path


def test_most_functions_are_short():
    sizes = sorted(body_lines(f) for path in MODULES for f in functions(ast.parse(path.read_text())))
    assert sizes[len(sizes) // 2] <= 8
    assert sizes[int(len(sizes) * 0.9)] <= 25
