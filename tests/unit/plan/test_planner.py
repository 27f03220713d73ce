from __future__ import annotations

from dataclasses import replace

from neuronbuild.artifact.action import CompilerPart, action_key
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.artifact.lowering import Lowering
from neuronbuild.artifact.shape import Shape
from neuronbuild.digest import ActionKey
from neuronbuild.plan.action import KeyedAction
from neuronbuild.plan.explain import Difference, Nearest
from neuronbuild.plan.planner import explain_move, make_plan
from neuronbuild.recipe.target import Target
from neuronbuild.sdks import LAST_WITH_TRACE
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
        "arguments": made[0][1].document["compiler"]["arguments"],
        "preflight": None,
        "nearest": None,
    }


def test_a_plan_has_what_preflight_found_by_the_keys_of_its_steps():
    made = steps(1, 2)
    found = Lowering(problems=("operator aten::hum has no lowering",), notes=("1 constant of 64 bits",))
    plan = make_plan(iter(made), {}).with_lowerings({made[1][1].key: found}.get)
    assert [step.lowering for step in plan.steps] == [None, found]
    assert plan.lowered == [found]
    assert [step["preflight"] for step in plan.as_json()["steps"]] == [
        None,
        {"problems": ["operator aten::hum has no lowering"], "notes": ["1 constant of 64 bits"]},
    ]


def test_a_compiler_that_is_given_no_words_has_no_arguments():
    [(target, action)] = steps(1)
    own = KeyedAction(replace(action.record, compiler=CompilerPart(optlevel=2)), action.key)
    assert make_plan([(target, own)], {}).steps[0].as_json()["arguments"] is None


def troubled(*sizes, platform="inf2"):
    """Steps of a model that the last tracer is known to die of."""
    made = []
    for target, action in steps(*sizes):
        model = replace(action.record.model, config={"model_type": "yolos"})
        toolchain = Fingerprint("neuronx", platform, {"torch-neuronx": LAST_WITH_TRACE})
        record = replace(action.record, model=model, toolchain=toolchain)
        options = replace(target.options, platform=platform)
        made.append((replace(target, options=options), KeyedAction(record, action_key(record))))
    return made


def test_a_plan_warns_once_of_each_recipe_and_platform_for_what_must_be_compiled():
    made = [*troubled(1, 2, 4), *troubled(1, platform="trn1"), *steps(1)]
    plan = make_plan(made, {made[0][1].key: None, made[3][1].key: None})
    [warned] = make_plan(made[:3], {made[0][1].key: None}).warnings
    assert (warned.recipe, warned.platform, warned.steps, warned.trouble.outcome) == ("minilm", "inf2", 2, "crash")
    assert [(each.platform, each.steps) for each in make_plan(made, {}).warnings] == [("inf2", 3), ("trn1", 1)]
    assert plan.as_json()["warnings"] == [warned.as_json()]


def test_a_plan_without_known_trouble_says_nothing_of_it():
    assert "warnings" not in make_plan(steps(1), {}).as_json()


def compiled_by(version: str, sizes=(1,), platform: str = "inf2"):
    """Steps as `steps` has them, of a toolchain with that version of its compiler."""
    made = []
    for target, action in steps(*sizes):
        toolchain = Fingerprint("neuronx", platform, {"neuronx-cc": version, "torch": "2.9.0"})
        record = replace(action.record, toolchain=toolchain)
        options = replace(target.options, platform=platform)
        made.append((replace(target, options=options), KeyedAction(record, action_key(record))))
    return made


def test_a_move_says_what_changes_for_steps_that_were_built_and_those_that_werent():
    old = compiled_by("2.26", (1, 2))
    before, after = make_plan(old, {old[0][1].key: None}), make_plan(compiled_by("2.25", (1, 2)), {})
    moved = explain_move(before, after, ("2.31.0", "2.30.0"))
    assert states(moved) == [
        ("miss", "must be compiled again: neuronx-cc 2.26 -> 2.25"),
        ("miss", "not in the store, and to be compiled anew: neuronx-cc 2.26 -> 2.25"),
    ]
    assert moved.move.as_json() == {
        "from": "2.31.0",
        "to": "2.30.0",
        "changes": {"neuronx for inf2": {"neuronx-cc": ["2.26", "2.25"]}},
        "versions": {"neuronx for inf2": {"neuronx-cc": "2.25", "torch": "2.9.0"}},
        "steps": 2,
    }


def test_a_move_to_the_same_packages_changes_nothing():
    plan = make_plan(compiled_by("2.26"), {})
    moved = explain_move(plan, plan, ("2.31.0", "2.31.1"))
    assert (moved.steps, moved.move.steps, moved.move.changes) == (plan.steps, 0, {"neuronx for inf2": {}})


def test_where_nothing_is_known_to_compare_with_the_versions_are_those_of_the_move():
    moved = explain_move(make_plan([], {}), make_plan(compiled_by("2.25"), {}), (None, "2.30.0"))
    assert moved.move.changes == {"neuronx for inf2": None}
    assert moved.move.versions["neuronx for inf2"]["neuronx-cc"] == "2.25"


def test_no_move_is_one_for_the_cpu():
    plan = make_plan(compiled_by("2.26", platform="cpu"), {})
    assert explain_move(plan, plan, (None, "2.30.0")).move.changes == {}


NEAREST = Nearest(ActionKey("1" * 64), (Difference(("shape", "batch_size"), 1, 2),))


def test_a_miss_that_nothing_is_known_of_says_what_it_is_most_like():
    made = steps(1, 2, 4)
    plan = make_plan(made, {made[0][1].key: None, made[1][1].key: "blob 1234 is missing"}).with_nearest(lambda action: NEAREST)
    assert [step.nearest for step in plan.steps] == [None, None, NEAREST]
    assert [step.explanation for step in plan.steps] == [
        "in the store",
        "blob 1234 is missing",
        "not in the store; nearest 111111111111: batch_size 1 -> 2",
    ]
    assert [step.as_json()["nearest"] for step in plan.steps] == [None, None, NEAREST.as_json()]


def test_a_miss_that_nothing_is_like_says_no_more_than_is_known():
    [step] = make_plan(steps(1), {}).with_nearest(lambda action: None).steps
    assert step.explanation == "not in the store; no similar artifact is known here"


def test_an_explanation_is_short_however_much_differs():
    many = Nearest(ActionKey("1" * 64), tuple(Difference(("model", "config", f"key{n}"), "a" * 30, "b") for n in range(50)))
    [step] = make_plan(steps(1), {}).with_nearest(lambda action: many).steps
    assert len(step.explanation) <= 100
    assert step.explanation.endswith("and 49 more")


def test_what_a_move_explains_is_not_explained_twice():
    made = steps(1)
    old, new = make_plan(made, {made[0][1].key: None}), replace(make_plan(steps(1), {}))
    other = replace(
        new.steps[0], action=make_action(dtype="bfloat16", sizes={"batch_size": 1, "sequence_length": 64}), nearest=NEAREST
    )
    [step] = explain_move(old, replace(new, steps=(other,)), (None, LAST_WITH_TRACE)).steps
    assert step.explanation == step.reason == "must be compiled again: other compiler options"
