"""What docs/commands.md says of the JSON that commands print is what they print."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from neuronbuild.api import ApplyReport
from neuronbuild.api.auditing import Audit
from neuronbuild.cli import cli
from neuronbuild.store.location import open_store
from tests.conftest import ROOT, TEXT, write_recipe
from tests.flows.test_untrusted_input import CONFIG, WEIGHTS
from tests.unit.neffs import neff
from tests.unit.store.artifacts import key_of, put

PAGE = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
FORM = re.compile(r"((?:`[a-z -]+ --json`(?:, )?)+): `(\{.*?\})`", re.DOTALL)


def keys_of(form: str) -> tuple[str, ...]:
    """The keys of an object as the page writes it, without those of what is in it."""
    while (outer := re.sub(r"(?<!^)(\{[^{}]*\}|\[[^\[\]]*\])", "", form)) != form:
        form = outer
    return tuple(re.findall(r"[{,]\s*\"(\w+)\"", form))


FORMS = {name: keys_of(form) for names, form in FORM.findall(PAGE) for name in re.findall("`(.*?) --json`", names)}

COMMANDS = {
    "plan": "plan",
    "preflight": "preflight",
    "validate": "validate",
    "axes": "axes model --task fill-mask",
    "doctor": "doctor",
    "cache verify": "cache verify",
    "cache restore": "cache restore",
    "cache push": "cache push --remote far",
    "cache pull": "cache pull --remote far",
    "cache ls": "cache ls",
    "cache rm": f"cache rm {key_of(2)}",
    "cache prune": "cache prune",
    "cache stats": "cache stats",
    "neff inspect": "neff inspect graph.neff",
}
"""Commands that need no compiler, as they are tried."""

RECORDS = {
    "apply": lambda folder: ApplyReport((), (), ()).as_json(),
    "release verify": lambda folder: Audit(folder, 0, 0, (), (), ()).as_json(),
}
"""What the others print."""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model/model.safetensors").write_bytes(WEIGHTS)
    write_recipe(tmp_path / "recipes/one.yaml", model="../model", task="fill-mask", shapes=TEXT)
    (tmp_path / "graph.neff").write_bytes(neff())
    for number in (1, 2):
        put(open_store(str(tmp_path / "cache")), number)
    (tmp_path / "far").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_prints_the_json_that_the_page_says(workspace, name):
    done = CliRunner().invoke(cli, [*COMMANDS[name].split(), "--json"], standalone_mode=False)
    assert done.exception is None
    assert sorted(json.loads(done.stdout)) == sorted(FORMS[name])


def written(beginning: str) -> set[str]:
    """The keys of the objects in a list, as the page writes it."""
    [form] = re.findall(re.escape(beginning) + r" ?\[\{(.*?)\}\]", PAGE.replace("\n", " "))
    return set(re.findall(r"\"(\w+)\"(?=[,:]|$)", re.sub(r": [^,{]*", ":", form)))


def test_the_steps_and_warnings_of_a_plan_are_what_the_page_says(workspace):
    (workspace / "model/config.json").write_text(json.dumps({**CONFIG, "model_type": "convbert"}))
    keys = {"model": "../model", "task": "fill-mask", "platforms": ["cpu", "inf2"], "shapes": TEXT}
    write_recipe(workspace / "neuron/one.yaml", **keys)
    done = CliRunner().invoke(cli, ["plan", "neuron", "--sdk", "2.31.0", "--json"], standalone_mode=False)
    said = json.loads(done.stdout)
    assert [set(step) for step in said["steps"]] == [written('"version": 1, "steps":')] * 2
    assert [set(warning) for warning in said["warnings"]] == [written('"warnings":')]
    arguments = {step["platform"]: step["arguments"] for step in said["steps"]}
    assert arguments["cpu"] is None
    assert {"--target=inf2", "--auto-cast=none"} <= set(arguments["inf2"])


@pytest.mark.parametrize("name", RECORDS)
def test_what_needs_a_compiler_has_the_form_that_the_page_says(tmp_path, name):
    assert sorted(RECORDS[name](tmp_path)) == sorted(FORMS[name])


def test_every_form_of_the_page_is_tried():
    assert FORMS.keys() - {"doctor --selftest"} == COMMANDS.keys() | RECORDS.keys()
