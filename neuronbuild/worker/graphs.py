"""From an action to its graph: which class it is."""

from __future__ import annotations

from . import graph, sentences


def open_graph(model: object, action: dict) -> graph.Graph:
    """The module that is traced, over a model with weights of any kind."""
    if "sentence_modules" in action["model"]:
        return sentences.SentenceGraph(model, action)
    make = WITH_CACHE.get(action["graph"])
    return graph.Graph(model, action) if make is None else make(model, action)


def _causal(model: object, action: dict) -> graph.Graph:
    from . import generation

    return generation.CausalGraph(model, action)


def _encoder(model: object, action: dict) -> graph.Graph:
    from . import seq2seq

    return seq2seq.EncoderGraph(model, action)


def _decoder(model: object, action: dict) -> graph.Graph:
    from . import seq2seq

    return seq2seq.DecoderGraph(model, action)


WITH_CACHE = {"prefill": _causal, "decode": _causal, "encoder": _encoder, "decoder": _decoder}
"""By name, the functions that make graphs with a cache: their modules need a transformers that has one."""
