from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.errors import RecipeError
from neuronbuild.recipe.grid import LIMIT, MOST, _Exclusion, expand, grid, refuse_many
from neuronbuild.recipe.located import Located
from neuronbuild.recipe.schema import Recipe
from neuronbuild.recipe.yaml_tree import Document
from tests.tools.fuzz import few, many

TASK = "fill-mask"
B, S, C = "batch_size", "sequence_length", "num_choices"


def located(shapes, **keys):
    recipe = Recipe.model_validate({"model": "x", "shapes": shapes, **keys})
    places = {("shapes",): (2, 1), ("shapes", "exclude", 1): (4, 5), ("shapes", "include", 0): (5, 5), ("shapes", C): (6, 3)}
    return Located(recipe, Path("recipe.yaml"), Document({"shapes": shapes}, places))


def points(task=TASK, **shapes):
    """The grid's points as tuples, in the order of the task's axes."""
    return [tuple(size for _, size in shape.axes) for shape in grid(located(shapes), task)]


def faults(task=TASK, **shapes):
    with pytest.raises(RecipeError) as caught:
        grid(located(shapes), task)
    return str(caught.value).splitlines()


def test_a_grid_is_the_product_of_its_axes_the_last_running_fastest():
    assert points(**{B: [1, 8], S: [64, 128]}) == [(1, 64), (1, 128), (8, 64), (8, 128)]


def large(name, count, platforms=("cpu",), **shapes):
    """A recipe of so many points on each platform."""
    return located({B: list(range(1, count + 1)), S: 8, **shapes}, name=name, platforms=list(platforms))


def test_all_grids_of_a_run_together_may_have_so_many_points():
    most = [large(f"r{index}", LIMIT) for index in range(MOST // LIMIT)]
    assert refuse_many(most) == []
    told = refuse_many([*most, large("over", 1), large("later", 3)])
    said = "brings the points of all recipes of this run, on all platforms, to"
    assert [issue.message.partition(";")[0] for issue in told] == [f"over {said} 100,001", f"later {said} 100,003"]


def test_points_count_on_every_platform_and_those_that_are_included_as_well():
    nearly = large("nearly", LIMIT - 1, ("cpu", "inf2", "trn1", "trn2", "inf1"))
    assert refuse_many([nearly, large("five", 5)]) == []
    assert len(refuse_many([nearly, large("four", 4, include=[{B: 1, S: 4}, {B: 1, S: 2}])])) == 1


def test_a_grid_that_is_too_large_by_itself_is_told_alone():
    assert refuse_many([large("own", LIMIT + 1, ("cpu", "inf2", "trn1", "trn2", "inf1"))]) == []


def test_the_order_of_axes_and_sizes_is_as_written_and_points_are_in_the_tasks_order():
    assert points(**{S: [128, 64], B: [8, 1]}) == [(8, 128), (1, 128), (8, 64), (1, 64)]


def test_a_size_given_twice_is_one_point():
    assert points(**{B: [1, 1], S: [8, 8, 4]}) == [(1, 8), (1, 4)]


def test_a_partial_point_excludes_all_that_match():
    assert points(**{B: [1, 8], S: [64, 128]}, exclude=[{B: 8}]) == [(1, 64), (1, 128)]


def test_a_whole_point_excludes_itself():
    assert points(**{B: [1, 8], S: [64, 128]}, exclude=[{S: 128, B: 8}]) == [(1, 64), (1, 128), (8, 64)]


def test_a_rule_that_leaves_nothing_out_is_a_slip():
    assert faults(**{B: [1], S: [64, 128]}, exclude=[{S: 128}, {B: 2}]) == [
        "recipe.yaml:4:5: this leaves nothing out: no point of the grid matches {'batch_size': 2}"
    ]


def test_two_rules_may_match_one_point():
    assert points(**{B: [1, 8], S: [64, 128]}, exclude=[{B: 8}, {S: 128}]) == [(1, 64)]


def test_included_points_come_last():
    assert points(**{B: 1, S: 64}, include=[{S: 32, B: 32}, {B: 2, S: 2}]) == [(1, 64), (32, 32), (2, 2)]


def test_an_included_point_of_the_grid_is_there_once():
    assert points(**{B: [1, 8], S: 64}, include=[{B: 8, S: 64}, {B: 8, S: 64}]) == [(1, 64), (8, 64)]


def test_a_point_may_be_excluded_and_included_again():
    assert points(**{B: [1, 8], S: 64}, exclude=[{B: 1}], include=[{B: 1, S: 64}]) == [(8, 64), (1, 64)]


def test_points_may_be_listed_without_a_grid():
    assert points(include=[{B: 1, S: 64}, {B: 8, S: 32}]) == [(1, 64), (8, 32)]


def test_an_included_point_has_every_axis():
    assert faults(**{B: 1, S: 64}, include=[{B: 2}]) == [
        "recipe.yaml:5:5: fill-mask needs batch_size, sequence_length; missing: sequence_length"
    ]


@pytest.mark.parametrize(
    ("shapes", "missing"), [({}, "batch_size, sequence_length"), ({B: 1}, "sequence_length"), ({S: 8}, "batch_size")]
)
def test_a_missing_axis_is_named(shapes, missing):
    assert faults(**shapes) == [f"recipe.yaml:2:1: fill-mask needs batch_size, sequence_length; missing: {missing}"]


def test_an_axis_that_the_task_has_not_is_told_the_tasks_own():
    assert faults(**{B: 1, S: 8, C: 4}) == [
        "recipe.yaml:6:3: unknown axis for fill-mask 'num_choices'; known: batch_size, sequence_length"
    ]


def test_a_task_with_three_axes_takes_three():
    assert points("multiple-choice", **{C: 4, B: [1, 2], S: 8}) == [(1, 8, 4), (2, 8, 4)]


def test_all_faults_of_the_axes_are_told_at_once():
    assert len(faults(**{B: 1, C: 2}, include=[{S: 1, C: 1}])) == 4


def test_two_batches_cannot_be_split():
    texts_and_images = {"text_batch_size": 2, "image_batch_size": 1, S: 8}
    with pytest.raises(RecipeError) as caught:
        expand(located(texts_and_images, dynamic_batch_size=True), "zero-shot-image-classification")
    [issue] = caught.value.issues
    assert issue.message == "zero-shot-image-classification has no batch_size to split"
    assert len(expand(located(texts_and_images), "zero-shot-image-classification")) == 1


def test_sizes_that_nobody_gives_are_the_guides():
    [prefill, decode] = expand(located({}), "text-generation", {S: 2048})
    assert prefill.shape.as_dict() == {B: 1, "prefill_length": 128, S: 2048}
    assert decode.shape.as_dict() == {B: 1, "num_beams": 1, S: 2048}
    assert (decode.options.auto_cast, decode.options.num_cores, decode.options.dtype) == ("none", 1, "float32")


@pytest.mark.parametrize(("known", "taken"), [({}, 4096), ({S: 4096}, 4096), ({S: 131_072}, 4096), ({S: 64}, 64)])
def test_the_longest_sequence_is_taken_up_to_a_cap(known, taken):
    for target in expand(located({}), "text-generation", known):
        sizes = target.shape.as_dict()
        assert sizes[S] == taken
        assert sizes.get("prefill_length", 1) <= taken


def test_a_grid_that_excludes_everything_is_empty():
    assert faults(**{B: [1, 2], S: 8}, exclude=[{S: 8}]) == ["recipe.yaml:2:1: the grid is empty"]


def test_an_empty_rule_matches_everything():
    assert faults(**{B: [1, 2], S: 8}, exclude=[{}]) == ["recipe.yaml:2:1: the grid is empty"]


def test_a_grid_that_explodes_is_counted_and_not_made():
    many_sizes = list(range(1, 5001))
    assert faults("multiple-choice", **{B: many_sizes, S: many_sizes, C: many_sizes}) == [
        f"recipe.yaml:2:1: the grid has 125,000,000,000 points; at most {LIMIT:,} are allowed"
    ]


def test_the_largest_grid_is_allowed():
    assert len(points(**{B: list(range(1, LIMIT + 1)), S: 8})) == LIMIT


def test_targets_come_platform_by_platform():
    targets = expand(located({B: [1, 2], S: 8}, platforms=["inf2", "cpu"], name="n"), TASK)
    assert [(target.options.platform, target.shape.as_dict()[B]) for target in targets] == [
        ("inf2", 1),
        ("inf2", 2),
        ("cpu", 1),
        ("cpu", 2),
    ]
    assert {(target.recipe, target.model, target.task, target.graph) for target in targets} == {("n", "x", TASK, "forward")}


sizes = st.lists(st.integers(1, 6), min_size=1, max_size=5)
whole = st.fixed_dictionaries({B: st.integers(1, 8), S: st.integers(1, 8)})
partial = st.dictionaries(st.sampled_from([B, S]), st.integers(1, 6), min_size=1)
grids = st.fixed_dictionaries(
    {B: sizes, S: sizes},
    optional={"exclude": st.lists(partial, max_size=3, unique_by=str), "include": st.lists(whole, max_size=4)},
)


def check(shapes):
    """A grid is the product, less what is excluded, plus what is new among the included, each once; or it says why not."""
    product = set(itertools.product(shapes[B], shapes[S]))
    rules = shapes.get("exclude", [])
    gone = {point for point in product if any(rule.items() <= {B: point[0], S: point[1]}.items() for rule in rules)}
    expected = (product - gone) | {(point[B], point[S]) for point in shapes.get("include", [])}
    idle = [rule for rule in rules if not any(rule.items() <= {B: b, S: s}.items() for b, s in product)]
    if idle or not expected:
        assert len(faults(**shapes)) == len(idle) + (not expected)
    else:
        made = points(**shapes)
        assert len(made) == len(expected)
        assert set(made) == expected
        assert made == points(**shapes)


@few
@given(grids)
def test_a_grid_is_its_product_less_the_excluded_plus_the_included(shapes):
    check(shapes)


@pytest.mark.soak
@many
@given(grids)
def test_twenty_thousand_grids_are_their_products(shapes):
    check(shapes)


def test_many_rules_are_looked_up_and_not_gone_through():
    sizes = {B: list(range(1, 201)), S: list(range(1, 101))}
    rules = [dict(zip(sizes, point, strict=True)) for point in itertools.product(*sizes.values())][:15_000]
    left = grid(located({**sizes, "exclude": rules}), TASK)
    assert len(left) == 5_000
    compared = []

    class Counted(dict):
        def get(self, *args):
            compared.append(args)
            return super().get(*args)

    exclusion = _Exclusion(rules)
    exclusion._by_axes = {axes: Counted(found) for axes, found in exclusion._by_axes.items()}
    assert not exclusion.covers({B: 201, S: 1})
    assert len(compared) == 1


def test_rules_of_other_axes_and_doubled_rules_count_as_before():
    rules = [{B: 1}, {S: 8}, {B: 2, S: 8}, {B: 2, S: 8}]
    assert points(**{B: [1, 2, 3], S: [8, 16], "exclude": rules}) == [(2, 16), (3, 16)]
    assert "matches {'batch_size': 9}" in str(faults(**{B: [1, 2], S: [8], "exclude": [{B: 9}]}))
