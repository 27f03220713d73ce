from __future__ import annotations

from dataclasses import replace

from neuronbuild.artifact.shape import Shape
from neuronbuild.plan.planner import make_plan
from neuronbuild.recipe.target import Target
from tests.unit.plan.cases import OPTIONS, make_action


def steps(*sizes):
    """A target and its action for each batch size."""
    made = []
    for size in sizes:
        shape = {"batch_size": size, "sequence_length": 64}
        target = Target("minilm", "org/name", "text-classification", "forward", Shape.of(shape), OPTIONS)
        made.append((target, make_action(sizes=shape)))
    return made


def states(plan):
    return [(step.state, step.reason) for step in plan.steps]


def test_what_the_store_has_is_a_hit_and_the_rest_a_miss():
    made = steps(1, 2)
    plan = make_plan(made, {made[0][1].key: None})
    assert states(plan) == [("hit", "in the store"), ("miss", "not in the store")]
    assert plan.misses == [plan.steps[1]]


def test_what_the_store_has_in_part_is_a_miss_for_what_it_lacks():
    made = steps(1)
    assert states(make_plan(made, {made[0][1].key: "blob 1234 is missing"})) == [("miss", "blob 1234 is missing")]


def test_steps_keep_their_order():
    made = steps(8, 1, 4)
    assert [step.target for step in make_plan(made, {}).steps] == [target for target, _ in made]


def test_one_action_wanted_by_two_recipes_is_two_steps():
    [(target, action)] = steps(1)
    plan = make_plan([(target, action), (replace(target, recipe="other"), action)], {})
    assert len({step.action.key for step in plan.steps}) == 1
    assert [step.target.recipe for step in plan.misses] == ["minilm", "other"]


def test_what_else_the_store_has_makes_no_difference():
    assert states(make_plan(steps(1), {"f" * 64: None})) == [("miss", "not in the store")]


def test_a_plan_may_be_empty():
    plan = make_plan([], {})
    assert plan.as_json() == {"version": 1, "steps": [], "summary": {"steps": 0, "hit": 0, "miss": 0}}


def test_the_json_of_a_plan_is_a_contract():
    made = steps(1, 2)
    plan = make_plan(iter(made), {made[0][1].key: None}).as_json()
    assert plan["summary"] == {"steps": 2, "hit": 1, "miss": 1}
    assert plan["steps"][0] == {
        "recipe": "minilm",
        "model": "org/name",
        "task": "text-classification",
        "platform": "inf2",
        "graph": "forward",
        "shape": {"batch_size": 1, "sequence_length": 64},
        "key": made[0][1].key,
        "state": "hit",
        "reason": "in the store",
    }
