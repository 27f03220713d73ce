from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from neuronbuild.cli.cache import cache_group
from neuronbuild.errors import StoreError, UsageError


def run(*arguments: object):
    done = CliRunner().invoke(cache_group, list(map(str, arguments)), standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


@pytest.fixture(scope="module")
def conversion(built):
    rows = json.loads(run("ls", "--json", "--cache", built.cache).stdout)["artifacts"]
    return next(row for row in rows if row["kind"] == "convert")


def test_what_isnt_a_compile_is_listed_as_what_it_is(conversion):
    assert (conversion["task"], conversion["shape"], conversion["platform"]) == ("-", "-", "cpu")
    assert conversion["size"] > 0


def test_a_conversion_is_shown_with_its_source(built, conversion):
    shown = json.loads(run("show", conversion["key"], "--json", "--cache", built.cache).stdout)
    assert set(shown["action"]["weights"]) == {"model.safetensors"}
    assert [file["path"] for file in shown["files"]] == ["weights.safetensors"]


def test_keys_are_matched_from_their_beginning(built, conversion):
    with pytest.raises(UsageError, match="no artifact's key begins with"):
        run("show", conversion["key"][1:], "--cache", built.cache)


def test_a_location_that_cant_be_a_store_is_refused():
    with pytest.raises(StoreError, match="this isn't a kind of store"):
        run("ls", "--cache", "ftp://somewhere")
