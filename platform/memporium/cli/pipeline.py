"""`memporium pipeline ...`: declared steps over the memory of a vault, whose writes are made together or not at all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from memporium.cli import _plain
from memporium.cli._context import Session, session
from memporium.cli._output import as_dict, line, print_json, print_json_line, show, show_all
from memporium.cli._pages import all_pages
from memporium.scheduler.v1 import job_pb2
from memporium.sources import pipelines

if TYPE_CHECKING:
    from memporium.scheduler.v1 import pipeline_pb2

app = typer.Typer(name="pipeline", help="Pipelines: steps over memory that write all or nothing.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Pipeline: its id in your organisation, or its full name.")]
Run = Annotated[str, typer.Argument(help="Run: its id in your organisation, or its full name.")]
File = Annotated[Path, typer.Argument(help="A pipeline as YAML.", exists=True, dir_okay=False)]


@app.command(name="list", epilog="Example: memporium pipeline list")
def list_(context: typer.Context) -> None:
    """List the pipelines of your organisation, with those that come with the platform."""
    run = session(context)
    found = all_pages(run.client.scheduler.list_pipelines, "pipelines", parent=run.org)
    show_all(found, ["name", "shipped", "description"], as_json=run.as_json)


@app.command(epilog="Example: memporium pipeline show retrieve-augment-update-archive > mine.yaml")
def show_(context: typer.Context, name: Name) -> None:
    """Print a pipeline as YAML."""
    run = session(context)
    found = run.client.scheduler.get_pipeline(name=run.absolute(name, "pipelines")).pipeline
    if run.as_json:
        print_json(as_dict(found))
    else:
        sys.stdout.write(pipelines.dump(found))


app.registered_commands[-1].name = "show"


@app.command(epilog="Example: memporium pipeline check mine.yaml")
def check(context: typer.Context, file: File) -> None:
    """Say whether a pipeline is well formed: its references, types and order."""
    run = session(context)
    definition = _load(file)
    run.client.scheduler.create_pipeline(parent=run.org, pipeline_id="check", pipeline=definition, validate_only=True)
    line(f"[green]well formed[/green] {len(definition.steps)} steps")


@app.command(epilog="Example: memporium pipeline create weekly mine.yaml")
def create(
    context: typer.Context,
    pipeline_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the pipeline.")],
    file: File,
) -> None:
    """Keep a pipeline."""
    run = session(context)
    made = run.client.scheduler.create_pipeline(parent=run.org, pipeline_id=pipeline_id, pipeline=_load(file))
    show(made.pipeline, as_json=run.as_json, title="kept")


@app.command(epilog="Example: memporium pipeline delete weekly")
def delete(context: typer.Context, name: Name) -> None:
    """Delete a pipeline; runs that began go on."""
    run = session(context)
    run.client.scheduler.delete_pipeline(name=run.absolute(name, "pipelines"))
    line("[green]deleted[/green]")


@app.command(name="run", epilog="Example: memporium pipeline run mine.yaml notes --input question='the harbour'")
def run_(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A YAML file, or a pipeline by id or name.")],
    vault: Annotated[str, typer.Argument(help="Vault to write to: its id, or its full name.")],
    given: Annotated[
        list[str], typer.Option("--input", help="NAME=VALUE; cubes by commas; turns as a file of dialogues.")
    ] = [],
    wait: Annotated[bool, typer.Option(help="Wait for the end, and print each step.")] = True,
) -> None:
    """Run a pipeline: all of its writes are made at its end, or none."""
    run = session(context)
    path = Path(what)
    asked: dict[str, Any] = {"parent": run.org, "vault": run.absolute(vault, "vaults")}
    if path.is_file():
        definition = asked["definition"] = _load(path)
    else:
        asked["pipeline"] = run.absolute(what, "pipelines")
        definition = run.client.scheduler.get_pipeline(name=asked["pipeline"]).pipeline
    try:
        asked["inputs"] = pipelines.values(definition, given, Path())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--input") from None
    begun = run.client.scheduler.run_pipeline(**asked).run
    if wait:
        _watch(run, begun.name)
    else:
        show(begun, as_json=run.as_json, title="begun")


@app.command(epilog="Example: memporium pipeline runs")
def runs(context: typer.Context) -> None:
    """List the runs of your organisation, newest first."""
    run = session(context)
    found = all_pages(run.client.scheduler.list_pipeline_runs, "runs", parent=run.org)
    show_all(found, ["name", "pipeline", "state", "vault", "error_reason"], as_json=run.as_json)


@app.command(epilog="Example: memporium pipeline get RUN")
def get(context: typer.Context, name: Run) -> None:
    """Show one run with its steps."""
    run = session(context)
    found = run.client.scheduler.get_pipeline_run(name=run.absolute(name, "pipelineRuns")).run
    if run.as_json:
        print_json(as_dict(found))
    else:
        _show_run(found)


@app.command(epilog="Example: memporium pipeline watch RUN")
def watch(context: typer.Context, name: Run) -> None:
    """Print each change of a run until it has ended."""
    run = session(context)
    _watch(run, run.absolute(name, "pipelineRuns"))


@app.command(epilog="Example: memporium pipeline cancel RUN")
def cancel(context: typer.Context, name: Run) -> None:
    """Cancel a run that has not begun to make its writes; nothing of it is written."""
    run = session(context)
    done = run.client.scheduler.cancel_pipeline_run(name=run.absolute(name, "pipelineRuns")).run
    show(done, as_json=run.as_json, title="cancelled")


def _load(path: Path) -> pipeline_pb2.Pipeline:
    try:
        return pipelines.load(path)
    except ValueError as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="FILE") from None


def _watch(run: Session, name: str) -> None:
    """Print each step as it is done; exit status 1 where the run does not succeed."""
    last = None
    told: set[str] = set()
    for response in run.client.scheduler.watch_pipeline_run(name=name):
        last = response.run
        if run.as_json:
            print_json_line(last)
            continue
        for step in last.steps:
            state = _plain.pick(step, "state")
            if step.id not in told and state in {"staged", "committed"}:
                told.add(step.id)
                numbers = ", ".join(f"{key} {value:g}" for key, value in sorted(step.numbers.items()))
                line(escape(f"{step.id:16} {step.changes} changes {numbers}".rstrip()))
    if last is not None and not run.as_json:
        _show_end(last)
    if last is None or last.state != job_pb2.JOB_STATE_SUCCEEDED:
        raise typer.Exit(code=1)


def _show_run(found: pipeline_pb2.PipelineRun) -> None:
    line(f"[bold]{escape(found.name)}[/bold]")
    for step in found.steps:
        numbers = ", ".join(f"{key} {value:g}" for key, value in sorted(step.numbers.items()))
        line(escape(f"{step.id:16} {_plain.pick(step, 'state'):10} {step.changes} changes {numbers}".rstrip()))
    _show_end(found)


def _show_end(found: pipeline_pb2.PipelineRun) -> None:
    state = _plain.pick(found, "state")
    if state == "succeeded":
        line(f"[green]committed[/green] {len(found.cubes)} memories at revision {found.vault_revision}")
    elif state in {"failed", "cancelled"}:
        line(f"[red]{state}[/red] {escape(f'{found.error_reason} {found.error}'.strip())}, nothing was written")
    else:
        line(escape(state))
