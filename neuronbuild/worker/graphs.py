"""From an action to its graph: which class it is."""

from __future__ import annotations

import importlib

from . import graph, sentences

BY_NAME = {
    "prefill": ("generation", "CausalGraph"),
    "decode": ("generation", "CausalGraph"),
    "encoder": ("seq2seq", "EncoderGraph"),
    "decoder": ("seq2seq", "DecoderGraph"),
}
"""Graphs with a cache: their modules need a transformers that has one, and are imported only for them."""


def open_graph(model: object, action: dict) -> graph.Graph:
    """The module that is traced, over a model with weights of any kind."""
    if "sentence_modules" in action["model"]:
        return sentences.SentenceGraph(model, action)
    if action["graph"] in BY_NAME:
        module, name = BY_NAME[action["graph"]]
        return getattr(importlib.import_module("." + module, __package__), name)(model, action)
    return graph.Graph(model, action)
