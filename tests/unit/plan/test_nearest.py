from __future__ import annotations

import random
from dataclasses import replace

import pytest

from neuronbuild.plan.explain import comparable, find_differences
from neuronbuild.plan.nearest import KnownAction, NearestActions
from tests.unit.plan.cases import BERT, FINGERPRINT, make_action

NEWER = replace(FINGERPRINT, versions={**FINGERPRINT.versions, "neuronx-cc": "2.26.7000.0"})
LARGE = {**BERT, "hidden_size": 768}
LARGER = {**LARGE, "intermediate_size": 3072, "num_attention_heads": 16}


def differences_of(before, after):
    """What differs between two documents."""
    return find_differences(comparable(before), comparable(after))


def known(*actions):
    """These actions as they are remembered."""
    entries = [KnownAction(each.key, each.common, each.record.graph, each.record.shape) for each in actions]
    return NearestActions(entries, {each.common: each.record for each in actions})


def sized(batch, length, **changes):
    return make_action(sizes={"batch_size": batch, "sequence_length": length}, **changes)


def told(actions, wanted):
    nearest = known(*actions).find(wanted)
    return nearest and (nearest.key, list(map(str, nearest.differences)))


def test_the_same_shape_of_another_compiler_is_nearest_to_what_a_new_sdk_wants():
    old = [sized(batch, length) for batch in (1, 2) for length in (64, 128)]
    assert told(old, sized(2, 64, fingerprint=NEWER)) == (old[2].key, ["neuronx-cc 2.26.6360.0 -> 2.26.7000.0"])


def test_another_shape_of_the_same_model_is_nearer_than_the_same_shape_of_quite_another_one():
    mine, other = sized(1, 64), sized(1, 128, config=LARGER)
    assert told([other, mine], sized(1, 128)) == (mine.key, ["sequence_length 64 -> 128"])


def test_of_several_shapes_with_one_size_that_differs_the_one_with_the_closest_size_is_nearest():
    grid = [sized(1, length) for length in (16, 32, 64, 512)] + [sized(8, 96)]
    assert told(grid, sized(1, 96)) == (grid[2].key, ["sequence_length 64 -> 96"])
    assert told(grid, sized(1, 2)) == (grid[0].key, ["sequence_length 16 -> 2"])


def test_where_no_size_is_the_same_a_shape_of_the_grid_is_given_all_the_same():
    assert told([sized(1, 16)], sized(2, 32))[1] == ["batch_size 1 -> 2", "sequence_length 16 -> 32"]


def test_what_differs_in_model_and_shape_is_told_with_both():
    assert told([sized(1, 64)], sized(2, 64, config=LARGE))[1] == ["batch_size 1 -> 2", "hidden_size 384 -> 768"]


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "fill-mask"},
        {"fingerprint": replace(FINGERPRINT, platform="trn1")},
        {"config": {**BERT, "model_type": "distilbert", "architectures": ["DistilBertForSequenceClassification"]}},
    ],
)
def test_what_is_for_another_task_platform_or_family_is_not_like_it(changes):
    assert told([make_action(**changes)], make_action()) is None


def test_nothing_is_near_where_nothing_is_known():
    assert told([], make_action()) is None


def test_an_action_is_not_the_nearest_to_itself():
    assert told([make_action()], make_action()) is None


def test_an_action_without_its_common_digest_is_found_as_well():
    assert told([sized(1, 64)], replace(sized(2, 64), common="")) == told([sized(1, 64)], sized(2, 64))


def test_it_is_the_one_with_the_fewest_differences_of_all():
    chance = random.Random(7)

    def any_action():
        config = {**BERT, "hidden_size": chance.choice([384, 768]), "vocab_size": chance.choice([9, 10])}
        fingerprint = chance.choice([FINGERPRINT, NEWER])
        return sized(chance.choice([1, 2, 4]), chance.choice([16, 32, 64]), config=config, fingerprint=fingerprint)

    there = list({each.key: each for each in (any_action() for _ in range(25))}.values())
    nearest = known(*there)
    keys = {each.key for each in there}
    for wanted in (any_action() for _ in range(60)):
        if wanted.key not in keys:
            fewest = min(len(differences_of(each.document, wanted.document)) for each in there)
            assert len(nearest.find(wanted).differences) == fewest
