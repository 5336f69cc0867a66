"""`memporium job ...`: durable jobs: conversions, deliveries, backups, sweeps."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from memporium.cli import _plain
from memporium.cli._adapters import (
    Adapter,
    Asked,
    Cube,
    Density,
    MaxLeakage,
    MaxPerplexity,
    MergeMethod,
    Method,
    MinConfidence,
    MinRecall,
    Model,
    Title,
    Topics,
    Vault,
    Weights,
    limits_of,
    topics_of,
)
from memporium.cli._context import session
from memporium.cli._output import line, print_json_line, show, show_all
from memporium.cli._pages import all_pages
from memporium.cli._watching import states
from memporium.inference.v1 import convert_pb2
from memporium.scheduler.v1 import job_pb2

app = typer.Typer(name="job", help="Durable jobs: conversions, deliveries, backups, sweeps.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Job: its id in your organisation, or its full name.")]


@app.command(name="list", epilog="Example: memporium job list")
def list_(context: typer.Context) -> None:
    """List the jobs of your organisation, newest first."""
    run = session(context)
    found = all_pages(run.client.scheduler.list_jobs, "jobs", parent=run.org)
    show_all(found, ["name", "kind", "state", "attempts", "error_reason"], as_json=run.as_json)


@app.command(epilog="Example: memporium job backup notes")
def backup(
    context: typer.Context, vault: Annotated[str, typer.Argument(help="Vault: its id, or its full name.")]
) -> None:
    """Back a vault up into a sealed bundle by a job, which goes on after a crash."""
    run = session(context)
    spec = job_pb2.JobSpec(dump_vault=job_pb2.DumpVault(vault=run.absolute(vault, "vaults")))
    show(run.client.scheduler.create_job(parent=run.org, spec=spec).job, as_json=run.as_json, title="queued")


@app.command(epilog="Example: memporium job consolidate notes")
def consolidate(
    context: typer.Context,
    vault: Annotated[str, typer.Argument(help="Vault: its id, or its full name.")],
    persona: Annotated[str, typer.Option(help="Only this role stream; empty: every one.")] = "",
) -> None:
    """Gather new episodes into scenes and profiles by a job, which goes on after a crash."""
    run = session(context)
    asked = job_pb2.Consolidate(vault=run.absolute(vault, "vaults"), persona=persona)
    spec = job_pb2.JobSpec(consolidate=asked)
    show(run.client.scheduler.create_job(parent=run.org, spec=spec).job, as_json=run.as_json, title="queued")


@app.command(epilog="Example: memporium job train notes --cube orgs/acme/vaults/notes/cubes/CUBE")
def train(
    context: typer.Context,
    vault: Vault,
    cube: Cube,
    model: Model = "",
    title: Title = "",
    epochs: Annotated[int, typer.Option(help="Passes over the examples; 0: the default.", min=0, max=50)] = 0,
    min_recall: MinRecall = None,
    max_perplexity_ratio: MaxPerplexity = None,
    max_leakage: MaxLeakage = None,
) -> None:
    """Train a LoRA adapter by a job, which goes on from its last checkpoint after a crash."""
    run = session(context)
    limits = limits_of(min_recall, max_perplexity_ratio, max_leakage)
    options = convert_pb2.TrainingOptions(epochs=epochs, limits=limits)
    asked = job_pb2.TrainParameter(
        vault=run.absolute(vault, "vaults"), cubes=cube, model=model, title=title, options=options
    )
    spec = job_pb2.JobSpec(train_parameter=asked)
    show(run.client.scheduler.create_job(parent=run.org, spec=spec).job, as_json=run.as_json, title="queued")


@app.command(epilog="Example: memporium job merge-lora notes --cube LORA --cube OTHER-LORA --method ties")
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
    """Merge LoRA memories into one by a job, which begins anew after a crash."""
    run = session(context)
    asked = job_pb2.MergeParameters(
        vault=run.absolute(vault, "vaults"),
        cubes=cube,
        model=model,
        title=title,
        method=method.wire,
        weights=weight,
        density=density,
        limits=limits_of(min_recall, max_perplexity_ratio, max_leakage),
    )
    spec = job_pb2.JobSpec(merge_parameters=asked)
    show(run.client.scheduler.create_job(parent=run.org, spec=spec).job, as_json=run.as_json, title="queued")


@app.command(epilog="Example: memporium job probe-lora notes --cube LORA --topic Ada/home")
def probe_lora(
    context: typer.Context,
    vault: Vault,
    cube: Asked,
    model: Model = "",
    title: Title = "",
    topic: Topics = [],
    min_confidence: MinConfidence = 0,
) -> None:
    """Ask a LoRA memory for what it knows by a job, which begins anew after a crash, and keep it as text."""
    run = session(context)
    asked = job_pb2.ProbeParameter(
        vault=run.absolute(vault, "vaults"),
        cube=cube,
        model=model,
        title=title,
        topics=topics_of(topic),
        min_confidence=min_confidence,
    )
    spec = job_pb2.JobSpec(probe_parameter=asked)
    show(run.client.scheduler.create_job(parent=run.org, spec=spec).job, as_json=run.as_json, title="queued")


@app.command(epilog="Example: memporium job get JOB")
def get(context: typer.Context, name: Name) -> None:
    """Show one job."""
    run = session(context)
    show(run.client.scheduler.get_job(name=run.absolute(name, "jobs")).job, as_json=run.as_json)


@app.command(epilog="Example: memporium job watch JOB")
def watch(
    context: typer.Context,
    name: Name,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds that the platform may be away, for instance to be started anew.")
    ] = 60.0,
) -> None:
    """Print each change of a job until it has ended, also over a restart of the platform; exit status 1: not done."""
    run = session(context)
    job, now = run.absolute(name, "jobs"), None
    for now in states(lambda: run.client.scheduler.watch_job(name=job), patience_s=patience):
        if run.as_json:
            print_json_line(now)
            continue
        done = f"{now.progress.completed}/{now.progress.total or '?'} {now.progress.message}"
        line(escape(f"{_plain.pick(now, 'state'):10} {done} {now.error_reason} {now.error}".rstrip()))
    if now is not None and now.state in (job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED):
        raise typer.Exit(code=1)


@app.command(epilog="Example: memporium job cancel JOB")
def cancel(context: typer.Context, name: Name) -> None:
    """Cancel a job that has not ended."""
    run = session(context)
    show(run.client.scheduler.cancel_job(name=run.absolute(name, "jobs")).job, as_json=run.as_json, title="cancelled")
