"""Recipe files in a folder of their own, and what is wrong with them."""

from __future__ import annotations

import textwrap

import pytest

from neuronbuild.errors import RecipeError
from neuronbuild.recipe.load import load_recipes


@pytest.fixture
def write(tmp_path):
    """Write a file, `recipe.yaml` unless it has another name, and give its path."""

    def write(text, name="recipe.yaml"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return file

    return write


@pytest.fixture
def faults(tmp_path):
    """Everything that is wrong in the files and folders given (default: the whole folder), with paths from that folder."""

    def faults(*paths, **options):
        with pytest.raises(RecipeError) as caught:
            load_recipes(paths or [tmp_path], **options)
        return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]

    return faults
