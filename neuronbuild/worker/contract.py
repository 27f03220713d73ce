"""What the builder and the worker exchange as JSON: jobs, the action in a job, results and answers.

These are types only: nothing is checked when a job is read, since the builder made it. Records whose name begins with an
underscore hold the keys that are always there (`NotRequired` needs a newer Python than the worker may run in).
"""

from __future__ import annotations

import typing

from .errors import ErrorRecord


class TensorSpec(typing.TypedDict):
    """An input, output or state of a graph. Dtypes are written as torch names them, without the prefix."""

    name: str
    dtype: str
    shape: list[int]


class ConstantSpec(TensorSpec):
    """A constant that is bound to a graph, as `neuronbuild.artifact.signature.ConstantSpec` describes it."""

    stride: list[int]
    tied: list[str]
    in_artifact: bool


class Signature(typing.TypedDict):
    """All tensors of a graph, in its order."""

    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    constants: list[ConstantSpec]
    states: list[TensorSpec]


class SentenceModule(typing.TypedDict, total=False):
    """A module of sentence-transformers that follows the transformer. Which keys are there follows from `kind`."""

    kind: str
    path: str
    modes: list[str]
    in_features: int
    out_features: int
    bias: bool
    activation: str
    use_residual: bool
    dimension: int


class Lora(typing.TypedDict):
    """A LoRA that is merged into a pipeline."""

    weights: str
    scale: float


class _ModelPart(typing.TypedDict):
    auto_class: str
    config: dict[str, typing.Any]  # transformers' own, of any family


class ModelPart(_ModelPart, total=False):
    """What a graph is of, as `neuronbuild.artifact.action.ModelPart` describes it. All graphs traced here have `outputs`."""

    outputs: list[str]
    attention: str
    no_token_types: int
    sentence_modules: list[SentenceModule]
    code: dict[str, str]
    commits: dict[str, str]
    controlnets: int
    files: dict[str, str]
    lora: list[Lora]


class CompilerPart(typing.TypedDict, total=False):
    """Options of the compiler. Which keys are there follows from the toolchain."""

    auto_cast: str
    auto_cast_type: str
    optlevel: int
    arguments: list[str]
    dynamic_batch_size: bool
    lazy_load: bool
    async_load: bool
    fallback: bool
    minimum_segment_size: int
    num_cores: int
    libraries: dict[str, str]


class Flags(typing.TypedDict, total=False):
    """What the worker reads of a toolchain's flags: inductor's alone."""

    march: str
    vector_isa: str
    wrapper_opt_level: dict[str, str]
    inductor: dict[str, object]


class ToolchainPart(typing.TypedDict):
    """The toolchain's fingerprint."""

    name: str
    platform: str
    versions: dict[str, str]
    flags: Flags


class Action(typing.TypedDict):
    """Everything that decides the bytes of one compile. `weights` are digests by path where they are compiled in."""

    format: int
    kind: str
    task: str
    model: ModelPart
    graph: str
    shape: dict[str, int]
    inputs: list[TensorSpec]
    weights: typing.Literal["separate"] | dict[str, str]
    dtype: str
    compiler: CompilerPart
    toolchain: ToolchainPart


class Job(typing.TypedDict):
    """What every kind of job has: files go into `folder`, and the builder waits `timeout` seconds.

    `own_process` asks for a process that does no other job.
    """

    kind: str
    action: Action
    folder: str
    timeout: float
    own_process: bool


class CompileJob(Job, total=False):
    """Compile an action. `model` is the folder of the checkpoint, where weights are compiled in."""

    model: str


class ConvertJob(Job):
    """Write the constants of these names in the graph's dtype, from the checkpoint in the folder `model`."""

    model: str
    names: list[str]


class CheckJob(Job):
    """Compare a compiled package with eager PyTorch.

    `identity` tells one checkpoint from another, `bindings` are the file and the tensor of each constant, `omitted` outputs
    aren't compared, and `tied` are names of one tensor.
    """

    model: str
    identity: str
    package: str
    sha256: str
    bindings: dict[str, list[str]]
    omitted: list[str]
    tied: list[list[str]]


class LowerJob(Job):
    """Lower an action's graph; the module is kept in the job's folder if `keep` says so."""

    keep: bool


class SelftestJob(Job):
    """Try what is assumed of the Neuron SDK, with these arguments of its compiler. Of the action there are only two parts."""

    arguments: list[str]


class Difference(typing.TypedDict):
    """The largest absolute difference and the largest absolute value of each output."""

    max_abs_error: dict[str, float]
    scale: dict[str, float]


class Check(Difference):
    """A comparison with eager PyTorch, as a manifest holds it."""

    kind: str
    reference: str
    tolerance: float


class Facts(typing.TypedDict, total=False):
    """What else is known of a compiled graph."""

    prefix: str
    omitted: list[str]
    versions: dict[str, str]
    cpu_share: float
    notes: list[str]


class CompileResult(typing.TypedDict):
    """Names of the files in the job's folder, and what they hold."""

    files: list[str]
    signature: Signature
    checks: list[Check]
    facts: Facts


class ConvertResult(typing.TypedDict):
    """Names of the files, and the outputs that can't be had without what the checkpoint lacks."""

    files: list[str]
    omitted: list[str]


class CheckResult(typing.TypedDict):
    """The comparisons that were made."""

    checks: list[Check]


BakedTensor = typing.TypedDict("BakedTensor", {"from": str, "dtype": str, "shape": list[int]})
"""A tensor that a lowered graph holds as a constant, though it follows from an example or from weights."""


class FallenOperator(typing.TypedDict):
    """An operator that isn't in a lowered graph, and the first module that computes it on the host."""

    operator: str
    module: str


class Figures(typing.TypedDict):
    """Figures of a lowered graph; sizes are in bytes."""

    operators: dict[str, int]
    wide: int
    digest: str
    hlo_bytes: int
    parameters: int
    weight_bytes: int
    cache_bytes: int
    unused: list[str]


class LowerResult(Figures):
    """What lowering a graph showed."""

    files: list[str]
    baked: list[BakedTensor]
    fallen: list[FallenOperator]
    same: bool
    check: Difference
    differs: str


class Finding(typing.TypedDict):
    """One assumption about the SDK, and whether it holds."""

    contract: str
    assumed: str
    state: str
    detail: str


class SelftestResult(typing.TypedDict):
    """All assumptions that were tried."""

    findings: list[Finding]


Result = typing.Union[CompileResult, ConvertResult, CheckResult, LowerResult, SelftestResult]


class Success(typing.TypedDict):
    """The answer to a job that was done. `serve` adds `last`: whether this process must get no other job."""

    ok: typing.Literal[True]
    result: Result
    seconds: float


class Failure(typing.TypedDict):
    """The answer to a job that failed."""

    ok: typing.Literal[False]
    error: ErrorRecord
    seconds: float


Answer = typing.Union[Success, Failure]
