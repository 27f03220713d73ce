from __future__ import annotations

import os

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.errors import RecipeError
from neuronbuild.recipe.grid import expand
from neuronbuild.recipe.load import load_recipes, load_workspace, merge, read_recipes
from neuronbuild.recipe.located import Layer
from neuronbuild.recipe.yaml_tree import Document
from neuronbuild.tasks import TASKS
from tests.tools.fuzz import few, json_values, many
from tests.unit.recipe.test_yaml_tree import texts


def names(*paths, **options):
    return [located.recipe.name for located in load_recipes(paths, **options)]


# Files and folders


def test_a_recipe_is_called_as_its_file_unless_it_says_otherwise(write):
    assert names(write("model: x", "minilm.yaml"), write("model: x\nname: own", "other.yml")) == ["minilm", "own"]


def test_further_recipes_of_a_file_are_numbered(write):
    assert names(write("model: x\n---\nmodel: x\n---\n{model: x, name: own}\n---\nmodel: x", "a.yaml")) == [
        "a",
        "a-2",
        "own",
        "a-4",
    ]


def test_a_folder_means_the_yaml_files_directly_in_it(write, tmp_path):
    for name in ("b.yaml", "a.yml", "notes.txt", "deep/c.yaml", "neuronbuild.yaml", "a.yaml.bak"):
        write("model: x", name)
    assert names(tmp_path) == ["a", "b"]


def test_recursive_goes_deeper(write, tmp_path):
    for name in ("b.yaml", "deep/a.yaml", "deep/er/c.yaml", "deep/neuronbuild.yaml"):
        write("model: x", name)
    assert sorted(names(tmp_path, recursive=True)) == ["a", "b", "c"]


def test_a_folder_that_is_called_like_a_file_is_a_folder(write, tmp_path):
    write("model: x", "odd.yaml/a.yaml")
    write("model: x", "b.yaml")
    assert names(tmp_path) == ["b"]
    assert names(tmp_path / "odd.yaml") == ["a"]


def test_what_is_named_twice_is_loaded_once(write, tmp_path):
    file = write("model: x", "a.yaml")
    assert names(file, tmp_path, file) == ["a"]


def test_a_byte_order_mark_is_no_part_of_the_text(write):
    assert names(write(b"\xef\xbb\xbfmodel: x", "a.yaml")) == ["a"]


def test_grids_that_are_too_much_together_are_told_at_the_recipe_that_goes_over(write, tmp_path, faults):
    sizes = list(range(1, 142))
    recipe = f"model: ./m\nshapes: {{batch_size: {sizes}, sequence_length: {sizes}}}\n"
    file = write("---\n".join([recipe] * 6 + ["model: ./m\nshapes: {batch_size: 1, sequence_length: 8}\n"]))
    problem = "recipe-6 brings the points of all recipes of this run, on all platforms, to 119,286"
    assert faults(file) == [f"recipe.yaml:16:1: {problem}; at most 100,000 are allowed: build them in several runs"]
    found, _ = read_recipes([file])
    assert [located.recipe.name for located in found] == ["recipe", *(f"recipe-{index}" for index in (2, 3, 4, 5, 7))]


def test_windows_line_ends_are_line_ends(write, faults):
    write(b"model: x\r\ntask: y\r\n")
    [fault] = faults()
    assert fault.startswith("recipe.yaml:2:1: ")


def test_no_paths_hold_no_recipes():
    assert load_recipes([]) == []


def test_paths_may_come_from_a_generator(write):
    file = write("model: x", "a.yaml")
    assert len(load_recipes(path for path in [file])) == 1


@pytest.mark.parametrize("name", ["my recipe", "é", "-a", ".", "x" * 220])
def test_a_file_that_cannot_name_a_release_asks_for_a_name(write, faults, name):
    write("model: x", f"{name}.yaml")
    [fault] = faults()
    assert fault.startswith(f"{name}.yaml:1:1: give a `name`")


def test_a_recipe_with_a_name_may_lie_in_any_file(write):
    assert names(write("model: x\nname: own", "my recipe.yaml")) == ["own"]


# Bad files


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("absent", "no such file or folder"),
        ("absent/deep", "no such file or folder"),
        ("file/deep", "no such file or folder"),
        ("empty", "no recipe (*.yaml) in this folder"),
        ("link", "no such file or folder"),
        ("x" * 300, "can't be read: File name too long"),
        ("nul\0byte", "no such file or folder"),
    ],
)
def test_a_path_without_a_recipe_says_so(tmp_path, write, faults, path, problem):
    write("", "file")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    assert faults(tmp_path / path) == [f"{path}:1:1: {problem}"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n---\n", "~", "defaults: {dtype: float16}"])
def test_a_file_without_a_recipe_says_so(write, faults, text):
    assert faults(write(text)) == ["recipe.yaml:1:1: no recipe in here"]


def test_a_file_that_went_away_within_a_folder_says_so(tmp_path, faults):
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    assert faults() == ["gone.yaml:1:1: can't be read: No such file or directory"]


@pytest.mark.parametrize("data", [b"\xff\xfem\0", "modèle: x".encode("latin-1"), b"a\x80"])
def test_what_is_not_utf_8_says_where(write, faults, data):
    write(data)
    [fault] = faults()
    assert fault.startswith("recipe.yaml:1:1: not UTF-8 text: ")


@pytest.mark.parametrize("text", ["a", "- model: x", "7", "[model]"])
def test_a_recipe_is_a_mapping(write, faults, text):
    write(text)
    assert faults() == ["recipe.yaml:1:1: a recipe must be a mapping of keys to values"]


def test_every_fault_of_every_file_is_told_at_once(write, faults):
    write("modle: x\ntask: fil-mask\nshapes: {batch: 1}\n", "a.yaml")
    write("model: x\nmodel: y\n---\nplatforms: [inf3]\n", "deep/b.yaml")
    write("model: [", "deep/c.yaml")
    write("model: x\nshapes:\n  sequence_length: [0]\n  exclude: [{batchsize: 1}]\n", "deep/d.yaml")
    told = faults(recursive=True)
    assert [fault.partition(" ")[0] for fault in told] == [
        "a.yaml:1:1:",
        "a.yaml:1:1:",
        "a.yaml:2:1:",
        "a.yaml:3:10:",
        "deep/b.yaml:2:1:",
        "deep/b.yaml:4:1:",
        "deep/b.yaml:4:13:",
        "deep/c.yaml:2:1:",
        "deep/d.yaml:3:21:",
        "deep/d.yaml:4:14:",
    ]
    assert "a.yaml:1:1: unknown key 'modle'; did you mean 'model'?" in told
    assert "deep/b.yaml:4:13: unknown platform 'inf3'; did you mean 'inf2'?" in told


@pytest.mark.parametrize(
    ("shapes", "fault"),
    [
        ("{batch: 1}", "recipe.yaml:2:10: unknown axis 'batch'; did you mean 'batch_size'?"),
        ("{exlude: [1]}", "recipe.yaml:2:10: unknown axis 'exlude'; did you mean 'exclude'?"),
        ("{exclude: [{batchsize: 1}]}", "recipe.yaml:2:21: unknown axis 'batchsize'; did you mean 'batch_size'?"),
        ("{include: [{}, {seq: 1}]}", "recipe.yaml:2:25: unknown axis 'seq'; known: "),
    ],
)
def test_an_axis_that_no_task_has_is_told_the_nearest(write, faults, shapes, fault):
    write(f"model: x\nshapes: {shapes}\n")
    [told] = faults()
    assert told.startswith(fault)


# Names


def test_two_recipes_cannot_write_one_release(write, faults):
    write("model: x\nname: same", "a.yaml")
    write("task: fill-mask\nmodel: x\nname: same", "b.yaml")
    [fault] = faults()
    assert fault.startswith("b.yaml:3:1: the release same-cpu is written by ")
    assert fault.endswith("a.yaml:2 already; give another `name`")


def test_the_name_of_the_release_counts(write, faults):
    write("model: x\nrelease: {name: same}\n---\nmodel: x\nname: same")
    [fault] = faults()
    assert "recipe.yaml:5:1: the release same-cpu" in fault


def test_one_name_on_two_platforms_is_two_releases(write):
    assert names(write("{model: x, name: same, platforms: [cpu]}\n---\n{model: x, name: same, platforms: [inf2]}")) == [
        "same",
        "same",
    ]


# Defaults


def test_defaults_hold_for_every_recipe_of_their_folder(write, tmp_path):
    write("defaults: {dtype: float16}", "z.yaml")
    write("model: x", "a.yaml")
    write("model: x\n---\nmodel: y", "deep/b.yaml")
    loaded = load_recipes([tmp_path], recursive=True)
    assert [(located.recipe.name, located.recipe.dtype) for located in loaded] == [
        ("a", "float16"),
        ("b", "float32"),
        ("b-2", "float32"),
    ]


def test_defaults_hold_for_a_file_that_is_asked_for_alone(write):
    write("defaults: {dtype: float16}", "defaults.yaml")
    [located] = load_recipes([write("model: x", "a.yaml")])
    assert located.recipe.dtype == "float16"


def test_other_files_of_the_folder_are_nobodys_business(write):
    write("services: {defaults: !reset [", "compose.yaml")
    write("- no recipe, but it speaks of defaults", "list.yaml")
    assert names(write("model: x", "a.yaml")) == ["a"]


def test_faults_beside_the_defaults_of_the_folder_are_told(write, faults):
    write("defaults: {dtype: float16}\n---\na: 1\na: 2", "defaults.yaml")
    assert faults(write("model: x", "a.yaml")) == ["defaults.yaml:4:1: key 'a' is given twice"]


def test_a_recipe_wins_over_its_folder_and_the_folder_over_the_workspace(write):
    write("defaults: {dtype: float16, num_cores: 2}", "z.yaml")
    file = write("{model: x, platforms: [inf2], dtype: float32}", "a.yaml")
    [located] = load_recipes([file], defaults={"dtype": "bfloat16", "num_cores": 4, "task": "fill-mask"})
    assert (located.recipe.dtype, located.recipe.num_cores, located.recipe.task) == ("float32", 2, "fill-mask")


def test_maps_merge_and_lists_are_replaced(write):
    write("defaults: {compiler: {optlevel: 1, auto_cast: all}, shapes: {batch_size: [1, 2], sequence_length: 8}}", "z.yaml")
    [located] = load_recipes([write("{model: x, compiler: {auto_cast: none}, shapes: {batch_size: [4]}}", "a.yaml")])
    recipe = located.recipe
    assert (recipe.compiler.optlevel, recipe.compiler.auto_cast) == (1, "none")
    assert recipe.shapes.axes == {"batch_size": (4,), "sequence_length": (8,)}


def test_later_defaults_of_a_folder_lie_over_earlier_ones(write, tmp_path):
    write("defaults: {dtype: float16, task: fill-mask}", "a.yaml")
    write("defaults: {dtype: bfloat16}\n---\nmodel: x", "b.yaml")
    [located] = load_recipes([tmp_path])
    assert (located.recipe.dtype, located.recipe.task) == ("bfloat16", "fill-mask")


@pytest.mark.parametrize("value", ["7", "[a]", "~", "text"])
def test_defaults_are_a_mapping(write, faults, value):
    write(f"defaults: {value}\n---\nmodel: x")
    assert faults() == ["recipe.yaml:1:1: `defaults` must be a mapping"]


def test_defaults_beside_other_keys_are_no_defaults(write, faults):
    write("model: x\ndefaults: {dtype: float16}")
    [fault] = faults()
    assert fault.startswith("recipe.yaml:2:1: unknown key 'defaults'")


def test_a_fault_in_the_defaults_is_told_once_and_where_it_stands(write, faults):
    write("defaults:\n  dtype: float23\n  shapes: {batch: 1}\n", "z.yaml")
    write("model: x\n---\nmodel: y", "a.yaml")
    assert faults() == [
        "z.yaml:2:3: unknown dtype 'float23'; did you mean 'float32'?",
        "z.yaml:3:12: unknown axis 'batch'; did you mean 'batch_size'?",
    ]


def test_an_axis_that_the_defaults_made_up_is_told_where_it_stands(write, faults):
    write("defaults:\n  shapes: {batch: 1, sequence_length: 1}\n", "z.yaml")
    write("model: x\nshapes: {batch_size: 1}", "a.yaml")
    assert faults() == ["z.yaml:2:12: unknown axis 'batch'; did you mean 'batch_size'?"]


def test_a_fault_in_the_recipe_stays_the_recipes(write, faults):
    write("defaults: {platforms: [inf2], shapes: {batch_size: [1, 2]}}", "z.yaml")
    write("model: x\nplatforms: [inf3]\nshapes: {batch_size: [0]}", "a.yaml")
    assert [fault.partition(": ")[0] for fault in faults()] == ["a.yaml:2:13", "a.yaml:3:23"]


def test_a_fault_found_later_is_told_where_its_key_stands(write):
    write("defaults:\n  shapes: {include: [{batch_size: 1}]}\n", "z.yaml")
    [located] = load_recipes([write("model: x\nname: y", "a.yaml")])
    assert str(located.issue(("name",), "m")).endswith("a.yaml:2:1: m")
    assert str(located.issue(("shapes", "include", 0), "m")).endswith("z.yaml:2:22: m")
    assert str(located.issue(("task",), "m")).endswith("a.yaml:1:1: m")


def test_a_layer_says_what_it_holds_and_what_it_covers(tmp_path):
    layer = Layer(tmp_path, Document({"defaults": {"a": {"b": [1]}, "c": None}}), ("defaults",))
    assert [layer.says(keys) for keys in [("a",), ("a", "b", 7), ("c", "d"), ("a", "x"), ("x",)]] == [
        True,
        True,
        True,
        False,
        False,
    ]


@few
@given(*[st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)] * 2)
def test_merging_keeps_what_only_one_side_says(below, above):
    merged = merge(below, above)
    assert merged.keys() == below.keys() | above.keys()
    assert all(merged[key] == value for key, value in below.items() if key not in above)
    assert all(merged[key] == value for key, value in above.items() if key not in below)
    assert merge(merged, above) == merged


# Workspace


def test_the_workspace_is_that_of_the_nearest_folder_above(write, tmp_path):
    write("cache: far", "neuronbuild.yaml")
    write("cache: near", "a/neuronbuild.yaml")
    (tmp_path / "a/b/c").mkdir(parents=True)
    workspace, folder = load_workspace(tmp_path / "a/b/c")
    assert (workspace.cache, folder) == ("near", tmp_path / "a")


def test_without_a_workspace_the_folder_is_its_own(tmp_path):
    workspace, folder = load_workspace(tmp_path)
    assert (workspace.cache, workspace.defaults, folder) == (None, {}, tmp_path)


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_workspace_file_changes_nothing(write, tmp_path, text):
    write(text, "neuronbuild.yaml")
    assert load_workspace(tmp_path)[0].limits.timeout == 7200


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cahce: x", "1:1: unknown key 'cahce'; did you mean 'cache'?"),
        ("limits: {jbos: 1}", "1:10: unknown key 'jbos'; did you mean 'jobs'?"),
        ("- a", "1:1: a workspace must be a mapping of keys to values"),
        ("cache: x\n---\ncache: y", "3:1: a workspace file holds one document"),
        ("cache: [", "2:1: not YAML: "),
        ("cache: a\ncache: b", "2:1: key 'cache' is given twice"),
        ("isa: x86-64-v9", "1:1: unknown isa 'x86-64-v9'; did you mean 'x86-64-v4'?"),
    ],
)
def test_a_wrong_workspace_file_says_where(write, tmp_path, text, fault):
    file = write(text, "neuronbuild.yaml")
    with pytest.raises(RecipeError) as caught:
        load_workspace(tmp_path)
    assert str(caught.value).startswith(f"{file}:{fault}")


# Anything at all

KEYS = [
    "model",
    "name",
    "revision",
    "task",
    "platforms",
    "compiler",
    "shapes",
    "weights",
    "num_cores",
    "release",
    "defaults",
    "x",
]
WORDS = [
    "cpu",
    "inf2",
    "inline",
    "all",
    "bf16",
    "fill-mask",
    "batch_size",
    "sequence_length",
    "exclude",
    "include",
    "a",
    "",
    "é",
]
leaves = st.sampled_from(WORDS) | st.integers(-1, 9) | st.booleans() | st.none() | st.floats() | json_values
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS + WORDS), inner, max_size=4),
    max_leaves=10,
)
recipes = st.lists(
    st.dictionaries(st.sampled_from(KEYS), trees, max_size=6).map(lambda keys: {"model": "x", **keys}), max_size=3
)
files = recipes.map(lambda documents: yaml.safe_dump_all(documents, allow_unicode=True)) | texts


def check(folder, text):
    """Whatever stands in a file, targets come out or a `RecipeError` with a place for every fault."""
    file = folder / "fuzz.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        for located in load_recipes([file]):
            expand(located, located.recipe.task or next(iter(TASKS)))
    except RecipeError as error:
        issues = error.issues
    else:
        return
    assert issues
    assert all(issue.path == str(file) and issue.line >= 1 and issue.column >= 1 for issue in issues)


@few
@given(files)
def test_any_file_gives_targets_or_faults(tmp_path_factory, text):
    check(tmp_path_factory.getbasetemp(), text)


@pytest.mark.soak
@many
@given(files)
def test_twenty_thousand_files_give_targets_or_faults(tmp_path_factory, text):
    check(tmp_path_factory.getbasetemp(), text)


def test_a_pipe_is_no_recipe_and_not_waited_on(tmp_path):
    os.mkfifo(tmp_path / "one.yaml")
    with pytest.raises(RecipeError, match="no regular file"):
        load_recipes([tmp_path])


def test_a_file_of_megabytes_is_refused_unread(tmp_path):
    (tmp_path / "one.yaml").write_text("a: [" + "x," * 3_000_000 + "]\n")
    with pytest.raises(RecipeError, match="at most 1,048,576 are read"):
        load_recipes([tmp_path])


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (["compiler:", "  auto_cast: all", "  auto_cast_type: tf32"], 5),
        (["compiler:", "  extra_args: [--x]"], 4),
        (["num_cores: 2"], 3),
        (["weights: inline"], 3),
        (["platforms: [inf2]", "weights: separate", "dynamic_batch_size: true"], 5),
    ],
)
def test_a_fault_of_several_values_stands_at_one_of_them(tmp_path, lines, line):
    file = tmp_path / "one.yaml"
    file.write_text("\n".join(["model: org/one", "name: one", *lines, ""]))
    with pytest.raises(RecipeError) as caught:
        load_recipes([file])
    assert [issue.line for issue in caught.value.issues] == [line]


# Recipes beside faulty ones


@pytest.mark.parametrize(
    ("files", "sound"),
    [
        ({"a.yaml": "model: x", "b.yaml": "modle: x"}, ["a"]),
        ({"a.yaml": "model: x\n---\nmodle: x\n---\nmodel: y"}, ["a", "a-3"]),
        ({"a.yaml": "model: x\n---\nmodel: [}"}, ["a"]),
        ({"a.yaml": "model: x", "b.yaml": "model: x\nmodel: y"}, ["a"]),
        ({"a.yaml": "model: x", "b.yaml": "model: x\nname: a"}, ["a"]),
        ({"a.yaml": "model: x", "b.yaml": "defaults: {dtype: float23}"}, []),
        ({"a.yaml": "model: x\nshapes: {seq: 1}", "b.yaml": "model: x"}, ["b"]),
    ],
)
def test_recipes_in_whose_documents_nothing_is_wrong_are_read_beside_others(write, tmp_path, files, sound):
    for name, text in files.items():
        write(text, name)
    found, issues = read_recipes([tmp_path])
    assert [located.recipe.name for located in found] == sound
    assert issues


def test_a_number_where_text_belongs_is_told_as_it_is_written(write, faults):
    write("model: x\nrevision: 1.50\n")
    assert faults() == [
        'recipe.yaml:2:1: revision: write "1.50", in quotes: without them YAML reads a number, or true or false'
    ]
