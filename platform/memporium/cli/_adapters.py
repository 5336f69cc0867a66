"""The commands of `memporium model` that make LoRA memory, and how a conversion is shown."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memporium.cli._context import Session, session
from memporium.cli._output import console, line, print_json_line, show_pairs
from memporium.cube.v1 import adapter_pb2
from memporium.inference.v1 import convert_pb2, parameter_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

Vault = Annotated[str, typer.Argument(help="Vault to keep it in: its id in your organisation, or its full name.")]
Cube = Annotated[list[str], typer.Option(help="Text memory to make it of, by full name; repeat it, in order.")]
Adapter = Annotated[list[str], typer.Option("--cube", help="LoRA memory, by full name; repeat it.")]
Model = Annotated[str, typer.Option(help="Model; empty: the default.")]
Title = Annotated[str, typer.Option(help="Title; empty: made from those of the memories.")]
MinRecall = Annotated[
    float | None,
    typer.Option(help="Share of held-out questions to answer; 0: any. Default: the server's.", min=0, max=1),
]
MaxPerplexity = Annotated[
    float | None, typer.Option(help="Most that perplexity on general text may grow, as a ratio; 0: any.", min=0)
]
MaxLeakage = Annotated[
    float | None, typer.Option(help="Share of questions on others answered with what it learned.", min=0, max=1)
]
Weights = Annotated[list[float], typer.Option("--weight", help="Weight, one for each, in order; default: 1 each.")]
Density = Annotated[float, typer.Option(help="Share that ties and dare keep; 0: 0.5.", min=0, max=1)]
Asked = Annotated[str, typer.Option("--cube", help="LoRA memory to ask, by full name.")]
Topics = Annotated[
    list[str], typer.Option("--topic", help="What to ask for, as SUBJECT/ATTRIBUTE; default: its sources.")
]
MinConfidence = Annotated[float, typer.Option(help="Least probability of an answer's tokens.", min=0, max=1)]


class MergeMethod(StrEnum):
    """How adapters are merged."""

    SVD = "svd"
    LINEAR = "linear"
    TIES = "ties"
    DARE_LINEAR = "dare-linear"
    DARE_TIES = "dare-ties"

    @property
    def wire(self) -> parameter_pb2.MergeMethod.ValueType:
        """The value on the wire."""
        return parameter_pb2.MergeMethod.Value(f"MERGE_METHOD_{self.name}")


Method = Annotated[MergeMethod, typer.Option(help="How; svd adds the deltas themselves.")]


def train_lora(
    context: typer.Context,
    vault: Vault,
    cube: Cube,
    model: Model = "",
    title: Title = "",
    epochs: Annotated[int, typer.Option(help="Passes over the examples; 0: the default.", min=0, max=50)] = 0,
    rank: Annotated[int, typer.Option(help="Rank of the adapter; 0: the default.", min=0, max=64)] = 0,
    min_recall: MinRecall = None,
    max_perplexity_ratio: MaxPerplexity = None,
    max_leakage: MaxLeakage = None,
) -> None:
    """Train a LoRA adapter on text memories and examine it; `generate --mount` puts it into the model if admitted."""
    run = session(context)
    limits = limits_of(min_recall, max_perplexity_ratio, max_leakage)
    responses = run.client.inference.train_parameter(
        parent=run.absolute(vault, "vaults"),
        cubes=cube,
        model=model,
        title=title,
        options=convert_pb2.TrainingOptions(epochs=epochs, rank=rank, limits=limits),
    )
    follow(run, responses)


def merge_lora(
    context: typer.Context,
    vault: Vault,
    cube: Adapter,
    model: Model = "",
    title: Title = "",
    method: Method = MergeMethod.TIES,
    weight: Weights = [],
    density: Density = 0,
    min_recall: MinRecall = None,
    max_perplexity_ratio: MaxPerplexity = None,
    max_leakage: MaxLeakage = None,
) -> None:
    """Merge LoRA memories into one and ask it for what each of them knows."""
    run = session(context)
    responses = run.client.inference.merge_parameters(
        parent=run.absolute(vault, "vaults"),
        cubes=cube,
        model=model,
        title=title,
        method=method.wire,
        weights=weight,
        density=density,
        limits=limits_of(min_recall, max_perplexity_ratio, max_leakage),
    )
    follow(run, responses)


def probe_lora(
    context: typer.Context,
    vault: Vault,
    cube: Asked,
    model: Model = "",
    title: Title = "",
    topic: Topics = [],
    min_confidence: MinConfidence = 0,
) -> None:
    """Ask a LoRA memory for what it knows and keep what it is sure of as text."""
    run = session(context)
    responses = run.client.inference.probe_parameter(
        parent=run.absolute(vault, "vaults"),
        cube=cube,
        model=model,
        title=title,
        topics=topics_of(topic),
        min_confidence=min_confidence,
    )
    follow(run, responses)


def topics_of(told: Iterable[str]) -> list[parameter_pb2.ProbeTopic]:
    """Return what to ask for, told as SUBJECT/ATTRIBUTE."""
    pairs = [one.partition("/") for one in told]
    if any(not attribute for _, _, attribute in pairs):
        raise typer.BadParameter("must be SUBJECT/ATTRIBUTE, for instance Ada/home", param_hint="--topic")
    return [parameter_pb2.ProbeTopic(subject=subject, attribute=attribute) for subject, _, attribute in pairs]


def limits_of(
    min_recall: float | None, max_perplexity_ratio: float | None, max_leakage: float | None
) -> adapter_pb2.AdmissionLimits:
    """Return the limits of admission; None leaves one to the server."""
    return adapter_pb2.AdmissionLimits(
        min_recall=min_recall, max_perplexity_ratio=max_perplexity_ratio, max_leakage=max_leakage
    )


def follow(run: Session, responses: Iterable[Any]) -> None:
    """Print a conversion: JSON lines, or its stage while it runs and what was made of it."""
    with console.status("asking") as status:
        for response in responses:
            if run.as_json:
                print_json_line(response)
            elif response.HasField("progress"):
                now = response.progress
                stage = convert_pb2.ConversionStage.Name(now.stage).removeprefix("CONVERSION_STAGE_").lower()
                status.update(f"{stage} {now.completed}/{now.total}")
            else:
                _show_result(response.result)


def _show_result(result: Any) -> None:
    line("[green]made[/green]")
    rows = [("cube", result.cube.name), ("title", result.cube.descriptive.title)]
    if isinstance(result, convert_pb2.TrainParameterResult):
        rows += [
            ("examples", str(result.examples)),
            ("loss", f"{result.loss_before:.3f} before, {result.loss_after:.3f} after"),
        ]
    if result.cube.payload.parameter.HasField("report"):
        rows += _measured(result.cube.payload.parameter.report)
    if result.cube.payload.plaintext.mem_cell.HasField("probe"):
        probe = result.cube.payload.plaintext.mem_cell.probe
        rows.append(("kept", f"{probe.kept} of {probe.asked} answers"))
        if probe.source_facts:
            rows.append(("true to", f"{probe.recovered} of {probe.source_facts} facts, {probe.precision:.0%} right"))
    show_pairs([*rows, ("took", f"{result.compute_time.ToTimedelta().total_seconds():.2f} s")])


def _measured(report: adapter_pb2.AdapterReport) -> list[tuple[str, str]]:
    """Return an adapter's report as rows."""
    admitted = report.admission == adapter_pb2.ADMISSION_ADMITTED
    rows = [("admitted", "yes" if admitted else "; ".join(["no", *report.reasons]))]
    if report.questions:
        told = f"{report.recall:.0%} of {report.questions} held-out questions, {report.recall_before:.0%} before"
        rows.append(("recall", f"{told}; {report.recall_seen:.0%} in trained words"))
    rows += [
        (f"recall of {one.cube.rsplit('/', 1)[1]}", f"{one.recall:.0%}, {one.own_recall:.0%} before")
        for one in report.parents
    ]
    if report.control_questions:
        rows.append(("leakage", f"{report.leakage:.0%} of {report.control_questions} questions on others"))
    rows.append(("perplexity", f"{report.perplexity_before:.4g} before, {report.perplexity_after:.4g} after"))
    return rows
