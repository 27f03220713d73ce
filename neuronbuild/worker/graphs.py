"""From an action to its graph: which class it is."""

from __future__ import annotations

from . import generation, graph, seq2seq

BY_NAME = {
    "prefill": generation.CausalGraph,
    "decode": generation.CausalGraph,
    "encoder": seq2seq.EncoderGraph,
    "decoder": seq2seq.DecoderGraph,
}


def open_graph(model: object, action: dict) -> graph.Graph:
    """The module that is traced, over a model with weights of any kind."""
    if "pooling" in action["model"]:
        return graph.SentenceGraph(model, action)
    return BY_NAME.get(action["graph"], graph.Graph)(model, action)
