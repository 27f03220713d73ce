"""From an action to its graph: which class it is."""

from __future__ import annotations

import typing

import torch

from . import graph, sentences
from .contract import Action


def open_graph(model: torch.nn.Module, action: Action) -> graph.Graph:
    """The module that is traced, over a model with weights of any kind."""
    if "sentence_modules" in action["model"]:
        return sentences.SentenceGraph(model, action)
    make = WITH_CACHE.get(action["graph"])
    return graph.Graph(model, action) if make is None else make(model, action)


def _causal(model: torch.nn.Module, action: Action) -> graph.Graph:
    from . import generation

    return generation.CausalGraph(model, action)


def _encoder(model: torch.nn.Module, action: Action) -> graph.Graph:
    from . import seq2seq

    return seq2seq.EncoderGraph(model, action)


def _decoder(model: torch.nn.Module, action: Action) -> graph.Graph:
    from . import seq2seq

    return seq2seq.DecoderGraph(model, action)


WITH_CACHE: dict[str, typing.Callable[[torch.nn.Module, Action], graph.Graph]] = {
    "prefill": _causal,
    "decode": _causal,
    "encoder": _encoder,
    "decoder": _decoder,
}
"""By name, the functions that make graphs with a cache: their modules need a transformers that has one."""
