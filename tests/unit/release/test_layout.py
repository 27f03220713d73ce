from __future__ import annotations

from dataclasses import replace

from neuronbuild.artifact.signature import Signature, TensorSpec
from neuronbuild.release.layout import PROMPTS, REFUSED, lay_out
from tests.unit.release.manifests import traced

SMALL = traced(shape={"batch_size": 1, "sequence_length": 16})
LARGE = traced(shape={"batch_size": 2, "sequence_length": 64})


def test_the_largest_shape_stands_at_the_top_under_the_loaders_name():
    layout = lay_out([SMALL, LARGE])
    assert layout.place(LARGE, "model.neuron", "buckets/large") == "model.neuron"
    assert layout.place(SMALL, "model.neuron", "buckets/small") == "buckets/small/model.traced"


def test_weights_apart_leave_nothing_at_the_top_and_say_so():
    apart = traced(weights="separate")
    layout = lay_out([apart])
    assert layout.root is None
    assert layout.place(apart, "model.neuron", "buckets/a") == "buckets/a/model.traced"
    assert layout.notes == (REFUSED,)


def test_graphs_that_work_together_are_nothing_for_another_loader():
    graphs = [traced(graph="prefill"), traced(graph="decode")]
    layout = lay_out(graphs)
    assert [layout.place(each, "model.neuron", "b") for each in graphs] == ["b/model.traced"] * 2


def test_a_graph_that_is_told_of_prompts_is_nothing_for_another_loader():
    mask = TensorSpec("pooling_mask", "int64", (1, 16), ("batch_size", "sequence_length"))
    layout = lay_out([replace(SMALL, signature=Signature((mask,), (), (), ()))])
    assert (layout.root, layout.notes) == (None, (PROMPTS,))


def test_other_files_lie_in_their_own_folder():
    cpu = traced(toolchain="inductor", files=("model.pt2", "constants.safetensors"), weights="separate")
    layout = lay_out([cpu])
    assert (layout.root, layout.place(cpu, "model.pt2", "buckets/a")) == (None, "buckets/a/model.pt2")


def test_an_exported_folder_stands_at_the_top_as_it_is():
    whole = traced(graph="model", files=("exported/encoder/model.neuron", "exported/encoder/config.json"))
    assert lay_out([whole]).place(whole, "exported/encoder/model.neuron", "buckets/a") == "encoder/model.neuron"


def test_what_compilers_say_is_said_once():
    assert lay_out([traced(notes=["some"]), traced(notes=["some"], shape={"batch_size": 3})]).notes == ("some",)
