from __future__ import annotations

from neuronbuild.api.prepare import Context, prepare
from neuronbuild.api.requests import release_request


def request(recipes, settings):
    [prepared] = prepare(recipes, Context.open(settings))
    return release_request(prepared, settings, checked=True)


def test_a_request_says_all_that_a_release_is_made_from(settings, recipe):
    made = request(recipe(dynamic_batch_size=True, release={"name": "nice"}), settings)
    assert (made.recipe, made.name, made.platform, made.task) == ("one", "nice", "cpu", "fill-mask")
    assert (made.folder, made.dynamic_batch_size) == (settings.output / "nice-cpu", True)
    assert made.toolchain["name"] == "inductor"


def test_buckets_are_in_the_recipes_order(settings, recipe):
    shapes = {"batch_size": [4, 1], "sequence_length": 8}
    first = request(recipe(shapes=shapes), settings).keys
    assert request(recipe(shapes={**shapes, "batch_size": [1, 4]}), settings).keys == first[::-1]
