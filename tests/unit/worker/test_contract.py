"""The records that the worker reads and writes have the fields of those that the builder writes and reads."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from neuronbuild.artifact import action, manifest, signature
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.worker import contract, registry
from tests.unit.plan.cases import make_action

PARTS = {"model": contract.ModelPart, "compiler": contract.CompilerPart, "toolchain": contract.ToolchainPart}
ACTIONS = {
    "cpu": {"fingerprint": Fingerprint("inductor", "cpu", {"torch": "2.13.0"}, {"march": "x86-64-v3"}), "platform": "cpu"},
    "inf2": {"weights": {"model.safetensors": "5" * 64}},
}


def fields(record: type) -> set[str]:
    return {field.name for field in dataclasses.fields(record)}


def keys(record: type) -> set[str]:
    return set(typing.get_type_hints(record))


@pytest.mark.parametrize(
    ("record", "ours"),
    [
        (contract.Check, fields(manifest.Check)),
        (contract.Signature, fields(signature.Signature)),
        (contract.ConstantSpec, fields(signature.ConstantSpec)),
        (contract.TensorSpec, fields(signature.TensorSpec) - {"axes"}),  # the builder's own, from the task table
        (contract.TensorSpec, fields(action.InputPart)),
        (contract.Action, fields(action.CompileAction)),
        (contract.ModelPart, fields(action.ModelPart)),
        (contract.CompilerPart, fields(action.CompilerPart)),
        (contract.Lora, fields(action.Lora)),
        (contract.ToolchainPart, fields(Fingerprint)),
    ],
    ids=["check", "signature", "constant", "tensor", "input", "action", "model", "compiler", "lora", "toolchain"],
)
def test_a_record_has_the_fields_of_the_builders(record, ours):
    assert keys(record) == ours


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_has_the_keys_of_the_contract(name):
    document = make_action(**ACTIONS[name]).document
    assert document.keys() == keys(contract.Action)
    for part, record in PARTS.items():
        assert record.__required_keys__ <= document[part].keys() <= keys(record), part


def test_every_kind_of_job_has_its_record():
    kinds = {name.removesuffix("Job").lower() for name in vars(contract) if name.endswith("Job") and name != "Job"}
    assert kinds == registry.KINDS.keys()
