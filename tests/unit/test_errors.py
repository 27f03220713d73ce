from __future__ import annotations

import inspect

import pytest

from neuronbuild import errors
from neuronbuild.errors import (
    BlobCorruptError,
    BlobMissingError,
    DamageError,
    DestinationError,
    ForeignRecordError,
    InputError,
    Issue,
    LockError,
    ManifestRefusedError,
    NeuronBuildError,
    NewerRecordError,
    NotBuiltError,
    RecipeError,
    ReleaseError,
    ShapeError,
    SourceError,
    SourcesError,
    StoreBusyError,
    StoreError,
    StoreOutageError,
    ToolchainError,
    UnsupportedModelError,
    UsageError,
    first_line,
    together,
)
from neuronbuild.worker import errors as worker_errors

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, NeuronBuildError)]
STATUS = {
    NeuronBuildError: 1,
    UsageError: 2,
    RecipeError: 2,
    LockError: 2,
    NotBuiltError: 1,
    SourceError: 3,
    SourcesError: 3,
    UnsupportedModelError: 3,
    StoreError: 4,
    StoreOutageError: 4,
    StoreBusyError: 4,
    DamageError: 4,
    ManifestRefusedError: 4,
    BlobMissingError: 4,
    DestinationError: 4,
    BlobCorruptError: 4,
    NewerRecordError: 4,
    ForeignRecordError: 4,
    ToolchainError: 5,
    ReleaseError: 6,
    ShapeError: 6,
    InputError: 6,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_its_exit_status(kind):
    assert kind.exit_code == STATUS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_says_what_it_is(kind):
    assert kind.__name__.endswith("Error")
    assert kind.__doc__


def test_the_faults_of_several_models_are_told_together_each_with_its_hint():
    first, second = (Issue(f"{name}.yaml", 1, 1, f"model {name}: gone") for name in "ab")
    alone = SourcesError([(first, "look")])
    assert (alone.message, alone.hint, alone.exit_code) == (str(first), "look", 3)
    same = SourcesError([(first, "look"), (second, "look")])
    assert (same.message, same.hint) == (f"{first}\n{second}", "look")
    both = SourcesError([(first, "look"), (second, "ask")])
    assert (str(both), both.hint) == (f"{first}\n  hint: look\n{second}\n  hint: ask", None)


def test_the_hint_is_apart_from_the_message_and_python_shows_both():
    error = UsageError("no such command", hint="try `neuronbuild --help`")
    assert (error.message, error.hint) == ("no such command", "try `neuronbuild --help`")
    assert str(error) == "no such command\n  hint: try `neuronbuild --help`"


@pytest.mark.parametrize(
    "error",
    [
        LockError("here", "none", hint="do this"),
        NotBuiltError(["a"]),
        RecipeError([Issue("a", 1, 1, "x")], hint="do this"),
        BlobMissingError("cache", "ab" * 32),
        ManifestRefusedError("cache", "ab" * 32, "unsigned"),
        ShapeError("batch_size=9", ["batch_size=1"], hint="do this"),
        InputError("none", hint="do this"),
    ],
)
def test_every_error_with_a_hint_shows_it(error):
    assert error.hint
    assert str(error).endswith(f"\n  hint: {error.hint}")


def test_without_a_hint_there_is_none():
    assert UsageError("no").hint is None
    assert str(UsageError("no")) == "no"


def test_an_issue_reads_as_editors_and_compilers_write_it():
    assert str(Issue("recipes/a.yaml", 3, 7, "unknown key 'modle'")) == "recipes/a.yaml:3:7: unknown key 'modle'"


def test_a_recipe_error_lists_its_issues_by_file_and_line():
    error = RecipeError([Issue("b", 1, 1, "x"), Issue("a", 10, 1, "y"), Issue("a", 9, 2, "z"), Issue("a", 9, 1, "w")])
    assert str(error).splitlines() == ["a:9:1: w", "a:9:2: z", "a:10:1: y", "b:1:1: x"]


def test_issues_may_come_from_a_generator():
    assert len(RecipeError(Issue("a", line, 1, "x") for line in range(3)).issues) == 3


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SourceError("org/name", "it isn't there"), "model org/name: it isn't there"),
        (StoreError("cache", "it is full"), "store cache: it is full"),
        (ToolchainError("inductor", "g++ is missing"), "toolchain inductor: g++ is missing"),
        (ReleaseError("out/x", "it is damaged"), "release out/x: it is damaged"),
    ],
)
def test_an_error_names_what_it_is_about(error, text):
    assert str(error) == text


def test_a_missing_blob_says_which_and_how_to_get_it_back():
    error = BlobMissingError("cache", "ab" * 32)
    assert error.sha256 in str(error)
    assert "neuronbuild apply" in error.hint


def test_a_corrupt_blob_says_what_it_holds_instead():
    error = BlobCorruptError("cache", "ab" * 32, "cd" * 32)
    assert error.sha256 in str(error)
    assert error.actual in str(error)
    assert "quarantine/" in error.hint


def test_a_shape_error_names_what_was_given_and_what_exists():
    error = ShapeError("batch_size=9", ["batch_size=1", "batch_size=8"])
    assert str(error) == "inputs of batch_size=9 fit no compiled shape (compiled: batch_size=1; batch_size=8)"
    assert error.compiled == ("batch_size=1", "batch_size=8")


@pytest.mark.parametrize("kind", [ShapeError, InputError])
def test_errors_of_a_call_are_value_errors_as_in_transformers(kind):
    assert issubclass(kind, ValueError)


SECRET = "hun-ter2"
WITH_PASSWORDS = [
    f"s3://team/p?endpoint_url=http://user:{SECRET}@host:9000",
    f"s3://team/p?endpoint_url=http%3A%2F%2Fuser%3A{SECRET}%40host%3A9000&region=eu",
    f"s3://team/p?endpoint_url=http://user:a/b{SECRET}/c+d@host",
    f"s3://team/p?endpoint_url=http://user:a@b{SECRET}@host",
    f"s3://team/p?endpoint_url=http://user:a&b{SECRET}@host",
    f"s3://team/p?endpoint_url=http://{SECRET}@host",
    f"s3://key:{SECRET}@team/p",
    f"s3://team/p?endpoint_url=user:{SECRET}@host:9000",
    f"s3://team/p?endpoint_url=http:/user:{SECRET}@host:9000",
    f'Could not connect to the endpoint URL: "http://user:{SECRET}@host:9000/team/k"',
]
WITHOUT = [
    "s3://team/p?endpoint_url=http://host:9000&profile=me@corp",
    "s3://team/p@x?endpoint_url=http://host/a@b",
    "ask me@example.com",
    "https://host:8080/a:b@c",
    "model me@home//x: gone",
]


@pytest.mark.parametrize("text", WITH_PASSWORDS)
def test_no_error_shows_a_password_of_an_address(text):
    for error in (NeuronBuildError(text, hint=text), StoreError(text, text, hint=text), UsageError(text, hint=text)):
        assert SECRET not in f"{error} {error!r} {error.hint} {vars(error)}"
        assert "***@" in str(error)


@pytest.mark.parametrize("text", WITHOUT)
def test_what_is_no_password_is_shown(text):
    assert str(NeuronBuildError(text)) == text


def test_one_of_several_errors_tells_the_others_with_their_hints():
    first = together(
        [SourceError("./one", "it is gone", hint="look"), ToolchainError("neuronx", "it is missing", hint="get it")]
    )
    assert isinstance(first, SourceError)
    assert str(first) == "model ./one: it is gone\n  hint: look\ntoolchain neuronx: it is missing\n  hint: get it"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  one \n"), "one"),
        (ValueError(), "ValueError"),
        (RuntimeError(" \n"), "RuntimeError"),
    ],
)
def test_of_an_error_without_words_its_class_is_told(error, line):
    assert first_line(error) == worker_errors.first_line(error) == line
