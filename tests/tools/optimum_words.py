"""The words of optimum-neuron: its keywords and options with their defaults, and its tasks; prints JSON.

Run by an interpreter that has optimum-neuron: `python optimum_words.py > tests/golden/optimum_words.json`. Its files are
parsed, and none of them is run, so that no part of the SDK is needed. A default that is no literal stands as its text in angle
brackets.
"""

import ast
import importlib.metadata
import importlib.util
import json
from pathlib import Path

CALLS = {
    "neuron/modeling_traced.py": {"NeuronTracedModel": ("_from_pretrained", "_export", "push_to_hub")},
    "neuron/modeling_seq2seq.py": {"NeuronModelForConditionalGeneration": ("_from_pretrained", "_export")},
    "neuron/modeling_diffusion.py": {"NeuronDiffusionPipelineBase": ("_from_pretrained", "_export")},
    "neuron/models/inference/modeling_utils.py": {
        "NeuronPreTrainedModel": ("get_neuron_config", "export", "_export", "push_to_hub")
    },
    "neuron/models/inference/backend/pretrained_model.py": {"NxDPreTrainedModel": ("_from_pretrained",)},
    "neuron/pipelines/transformers/base.py": {"": ("pipeline",)},
    "exporters/neuron/__main__.py": {"": ("main_export",)},
    "modeling_base.py": {"OptimizedModel": ("from_pretrained", "save_pretrained", "push_to_hub")},
    "exporters/tasks.py": {
        "TasksManager": (
            "infer_task_from_model",
            "get_supported_tasks_for_model_type",
            "get_exporter_config_constructor",
        )
    },
}
"""The calls whose keywords are read, by file and class."""

ARGUMENTS = "neuron/utils/argument_utils.py"
COMMAND = "commands/export/neuronx.py"
MODELS = "exporters/neuron/model_configs.py"
TASKS = "exporters/tasks.py"


def places():
    """The folders that make up the package `optimum`."""
    return [Path(place) for place in importlib.util.find_spec("optimum").submodule_search_locations]


def parse(name):
    return ast.parse(next(place / name for place in places() if (place / name).is_file()).read_text())


def literal(node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        return f"<{ast.unparse(node)}>"


def functions(tree, owner):
    body = tree.body if not owner else next(n.body for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == owner)
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def keywords(function):
    """The parameters that may be left out, in their order, with their defaults."""
    said = function.args
    placed = [*said.posonlyargs, *said.args]
    placed = placed[len(placed) - len(said.defaults) :]
    pairs = zip([*placed, *said.kwonlyargs], [*said.defaults, *said.kw_defaults], strict=True)
    return {parameter.arg: literal(default) for parameter, default in pairs if default is not None}


def fields(tree, name):
    [found] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    return [node.target.id for node in found.body if isinstance(node, ast.AnnAssign)]


def asked(tree, name):
    """The keywords that a class looks for in what it was given."""
    [found] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    return [ast.literal_eval(n.args[1]) for n in ast.walk(found) if getattr(getattr(n, "func", None), "id", "") == "getattr"]


def options(tree):
    """The options of the command that exports, with their defaults."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "attr", "") == "add_argument"]
    found = {}
    for call in calls:
        said = {keyword.arg: literal(keyword.value) for keyword in call.keywords}
        default = said.get("default", False if said.get("action") == "store_true" else None)
        found.update({name: default for name in map(literal, call.args) if name.startswith("-")})
    return found


def strings(nodes):
    texts = {c.value for node in nodes for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)}
    return sorted(texts)


def tasks(tree):
    """The tasks that some model is registered for with the exporter."""
    decorators = [d for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for d in n.decorator_list if isinstance(d, ast.Call)]
    named = [n.value for n in tree.body if isinstance(n, ast.Assign) and "TASKS" in getattr(n.targets[0], "id", "")]
    return strings([*named, *(argument for call in decorators for argument in call.args[1:])])


def synonyms(tree):
    [found] = [
        n for n in ast.walk(tree) if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "_SYNONYM_TASK_MAP"
    ]
    return sorted(ast.literal_eval(found.value))


def collect():
    calls = {}
    for file, owners in CALLS.items():
        tree = parse(file)
        for owner, names in owners.items():
            found = functions(tree, owner)
            calls.update({f"{owner}.{name}".lstrip("."): keywords(found[name]) for name in names})
    return {
        "versions": {name: importlib.metadata.version(name) for name in ("optimum-neuron", "optimum")},
        "calls": calls,
        "shapes": fields(parse(ARGUMENTS), "InputShapesArguments"),
        "adapters": asked(parse(ARGUMENTS), "NeuronArgumentParser"),
        "options": options(parse(COMMAND)),
        "tasks": tasks(parse(MODELS)),
        "synonyms": synonyms(parse(TASKS)),
    }


print(json.dumps(collect(), indent=1))
