from __future__ import annotations

from neuronbuild.release.layout import LARGEST, OLD, lay_out
from neuronbuild.tasks.loaders import REFUSALS
from tests.unit.release.manifests import traced

SMALL = traced(shape={"batch_size": 1, "sequence_length": 16})
LOADED = "optimum-neuron 0.4.5 loads it as well: `optimum.neuron.NeuronModelForMaskedLM.from_pretrained"
TYPES = "Give token_type_ids in every call there, as its tokenizer does: the class has no value of its own for them."
LARGE = traced(shape={"batch_size": 2, "sequence_length": 64})


def test_the_largest_shape_stands_at_the_top_under_the_loaders_name():
    layout = lay_out([SMALL, LARGE])
    assert layout.notes == (f'{LOADED}("path/to/this/folder")`.{LARGEST}', TYPES)
    assert layout.place(LARGE, "model.neuron", "buckets/large") == "model.neuron"
    assert layout.place(SMALL, "model.neuron", "buckets/small") == "buckets/small/model.traced"


def test_weights_apart_leave_nothing_at_the_top_and_say_so():
    apart = traced(weights="separate")
    layout = lay_out([apart])
    assert layout.root is None
    assert layout.place(apart, "model.neuron", "buckets/a") == "buckets/a/model.traced"
    [note] = layout.notes
    assert note.startswith("Its weights lie apart from the compiled graph. optimum-neuron binds none")


def test_graphs_that_work_together_are_nothing_for_another_loader():
    graphs = [traced(graph="prefill"), traced(graph="decode")]
    layout = lay_out(graphs)
    assert [layout.place(each, "model.neuron", "b") for each in graphs] == ["b/model.traced"] * 2


def test_a_graph_that_is_told_of_prompts_is_nothing_for_another_loader():
    layout = lay_out([traced(inputs=("input_ids", "attention_mask", "pooling_mask"))])
    assert (layout.root, layout.notes[0].partition(",")[0]) == (None, "Its graph is told which tokens are those of a prompt")


def test_every_shape_has_a_folder_that_is_loaded_by_itself_where_that_is_wanted():
    layout = lay_out([SMALL, LARGE], "optimum")
    assert (layout.root, layout.each) == (None, True)
    assert layout.place(LARGE, "model.neuron", "buckets/large") == "buckets/large/model.neuron"
    assert layout.place(SMALL, "model.neuron", "buckets/small") == "buckets/small/model.neuron"
    assert layout.notes[0].startswith(f'{LOADED}("path/to/this/folder/buckets/…")`. Every shape is a folder of its own')


def test_what_another_loader_cant_take_is_said_with_the_reason_from_the_table():
    unknown = traced(model_type="gpt2")
    assert lay_out([unknown]).notes == (REFUSALS[-1].sentence,)
    assert lay_out([unknown], "optimum").each is False


def test_what_is_for_the_first_generation_lies_as_it_did_and_says_that_it_isnt_loaded_any_more():
    old = traced(toolchain="neuron")
    layout = lay_out([old])
    assert (layout.place(old, "model.neuron", "b"), layout.notes) == ("model.neuron", (OLD,))


def test_other_files_lie_in_their_own_folder():
    cpu = traced(toolchain="inductor", files=("model.pt2", "constants.safetensors"), weights="separate")
    layout = lay_out([cpu])
    assert (layout.root, layout.place(cpu, "model.pt2", "buckets/a")) == (None, "buckets/a/model.pt2")


def test_an_exported_folder_stands_at_the_top_as_it_is():
    whole = traced(graph="model", files=("exported/encoder/model.neuron", "exported/encoder/config.json"))
    assert lay_out([whole]).place(whole, "exported/encoder/model.neuron", "buckets/a") == "encoder/model.neuron"


def test_what_compilers_say_is_said_once():
    assert lay_out([traced(notes=["some"]), traced(notes=["some"], shape={"batch_size": 3})]).notes.count("some") == 1
