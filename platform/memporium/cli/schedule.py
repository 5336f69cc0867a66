"""`memporium schedule ...`: backups, restores, deliveries, pipelines at times, or when memories with a label appear."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from memporium.cli import _plain
from memporium.cli._context import Session, session
from memporium.cli._output import line, show, show_all
from memporium.cli._pages import all_pages
from memporium.scheduler.v1 import conversion_pb2, job_pb2, schedule_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="schedule", help="Schedules: jobs at times, or when memories with a label appear.", no_args_is_help=True
)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the schedule.")]
Name = Annotated[str, typer.Argument(help="Schedule: its id in your organisation, or its full name.")]
Vault = Annotated[str, typer.Argument(help="Vault: its id, or its full name.")]
Every = Annotated[str, typer.Option(help="So often: 30s, 15m, 6h, 1d, 2w.")]
Cron = Annotated[str, typer.Option(help="At times of cron: minute hour day month weekday, such as '0 3 * * *'.")]
Zone = Annotated[str, typer.Option("--time-zone", help="IANA name of the zone that --cron is meant in; empty: UTC.")]
OnTag = Annotated[
    list[str], typer.Option("--on-tag", help="When memories with this label appear or change; may be repeated.")
]
Existing = Annotated[bool, typer.Option("--existing", help="With --on-tag: also what carries the label already.")]


@app.command(epilog="Example: memporium schedule dump nightly notes --cron '0 3 * * *'")
def dump(
    context: typer.Context,
    schedule_id: Id,
    vault: Vault,
    every: Every = "",
    cron: Cron = "",
    zone: Zone = "",
    on_tag: OnTag = [],
) -> None:
    """Back a vault up into sealed bundles."""
    run = session(context)
    name = run.absolute(vault, "vaults")
    spec = job_pb2.JobSpec(dump_vault=job_pb2.DumpVault(vault=name))
    _create(run, schedule_id, spec, _trigger(name, every, cron, zone, on_tag))


@app.command(epilog="Example: memporium schedule load standby notes notes-standby --every 1h")
def load(
    context: typer.Context,
    schedule_id: Id,
    vault: Annotated[str, typer.Argument(help="Vault whose newest backup is taken: its id, or its full name.")],
    into: Annotated[str, typer.Argument(help="Id of the vault to restore into.")],
    every: Every = "",
    cron: Cron = "",
    zone: Zone = "",
) -> None:
    """Restore the newest backup of a vault into another one."""
    run = session(context)
    asked = job_pb2.LoadBundle(latest_of=run.absolute(vault, "vaults"), vault_id=into)
    _create(run, schedule_id, job_pb2.JobSpec(load_bundle=asked), _trigger("", every, cron, zone, []))


@app.command(epilog="Example: memporium schedule deliver share notes team --on-tag share")
def deliver(
    context: typer.Context,
    schedule_id: Id,
    vault: Vault,
    target: Annotated[str, typer.Argument(help="Vault to copy into: its id, or its full name.")],
    tag: Annotated[list[str], typer.Option(help="Only memories with this label; may be repeated.")] = [],
    every: Every = "",
    cron: Cron = "",
    zone: Zone = "",
    on_tag: OnTag = [],
    existing: Existing = False,
) -> None:
    """Copy text memories into another vault, each once, and its changes after it."""
    run = session(context)
    source = run.absolute(vault, "vaults")
    asked = job_pb2.DeliverCubes(vault=source, target=run.absolute(target, "vaults"), tags=[*tag, *on_tag])
    trigger = _trigger(source, every, cron, zone, on_tag)
    _create(run, schedule_id, job_pb2.JobSpec(deliver_cubes=asked), trigger, existing=existing)


@app.command(epilog="Example: memporium schedule consolidate tidy notes --every 6h")
def consolidate(
    context: typer.Context,
    schedule_id: Id,
    vault: Vault,
    every: Every = "",
    cron: Cron = "",
    zone: Zone = "",
    on_tag: OnTag = [],
) -> None:
    """Gather new episodes into scenes and profiles."""
    run = session(context)
    name = run.absolute(vault, "vaults")
    spec = job_pb2.JobSpec(consolidate=job_pb2.Consolidate(vault=name))
    _create(run, schedule_id, spec, _trigger(name, every, cron, zone, on_tag))


@app.command(epilog="Example: memporium schedule pipeline weekly sum-up notes --input question=boats --every 1w")
def pipeline(
    context: typer.Context,
    schedule_id: Id,
    name: Annotated[str, typer.Argument(help="Pipeline: its id in your organisation, or its full name.")],
    vault: Vault,
    given: Annotated[list[str], typer.Option("--input", help="NAME=TEXT; may be repeated.")] = [],
    every: Every = "",
    cron: Cron = "",
    zone: Zone = "",
    on_tag: OnTag = [],
    existing: Existing = False,
) -> None:
    """Run a pipeline; with --on-tag its input `cubes`, where it has one, is what appeared."""
    run = session(context)
    where = run.absolute(vault, "vaults")
    pairs = [one.partition("=") for one in given]
    if any(not sign for _, sign, _ in pairs):
        raise typer.BadParameter("must be NAME=TEXT", param_hint="--input")
    asked = job_pb2.RunPipeline(
        pipeline=run.absolute(name, "pipelines"), vault=where, inputs={key: value for key, _, value in pairs}
    )
    trigger = _trigger(where, every, cron, zone, on_tag)
    _create(run, schedule_id, job_pb2.JobSpec(run_pipeline=asked), trigger, existing=existing)


@app.command(name="list", epilog="Example: memporium schedule list")
def list_(context: typer.Context) -> None:
    """List the schedules of your organisation."""
    run = session(context)
    found = all_pages(run.client.scheduler.list_schedules, "schedules", parent=run.org)
    show_all(found, ["name", "paused", "jobs", "next_time", "last_job", "error"], as_json=run.as_json)


@app.command(epilog="Example: memporium schedule get nightly")
def get(context: typer.Context, name: Name) -> None:
    """Show one schedule."""
    run = session(context)
    found = run.client.scheduler.get_schedule(name=run.absolute(name, "schedules"))
    show(found.schedule, as_json=run.as_json)


@app.command(epilog="Example: memporium schedule convert forms notes --every 1d")
def convert(
    context: typer.Context,
    schedule_id: Id,
    vault: Vault,
    every: Every = "",
    cron: Cron = "",
    zone: Zone = "",
    no_training: Annotated[bool, typer.Option("--no-training", help="To KV only; train nothing.")] = False,
) -> None:
    """Move memories between text, KV and LoRA by how they are used, as `tier convert` does."""
    run = session(context)
    rules = conversion_pb2.ConversionRules(no_training=no_training)
    asked = job_pb2.ConvertMemories(vault=run.absolute(vault, "vaults"), rules=rules)
    spec = job_pb2.JobSpec(convert_memories=asked)
    _create(run, schedule_id, spec, _trigger("", every, cron, zone, []))


@app.command(epilog="Example: memporium schedule pause nightly")
def pause(context: typer.Context, name: Name) -> None:
    """Let a schedule make no jobs; what appears meanwhile is made up for when it is resumed."""
    run = session(context)
    done = run.client.scheduler.pause_schedule(name=run.absolute(name, "schedules"))
    show(done.schedule, as_json=run.as_json, title="paused")


@app.command(epilog="Example: memporium schedule resume nightly")
def resume(context: typer.Context, name: Name) -> None:
    """Let a paused schedule make jobs again."""
    run = session(context)
    done = run.client.scheduler.resume_schedule(name=run.absolute(name, "schedules"))
    show(done.schedule, as_json=run.as_json, title="resumed")


@app.command(epilog="Example: memporium schedule delete nightly")
def delete(context: typer.Context, name: Name) -> None:
    """Delete a schedule; jobs that it made go on."""
    run = session(context)
    run.client.scheduler.delete_schedule(name=run.absolute(name, "schedules"))
    line("[green]deleted[/green]")


def _trigger(vault: str, every: str, cron: str, zone: str, tags: Sequence[str]) -> schedule_pb2.Schedule:
    """Return a schedule with its trigger.

    Raises:
        typer.BadParameter: None of them is given, or several, or one that is malformed.
    """
    if sum((bool(every), bool(cron), bool(tags))) != 1:
        choices = "--every, --cron or --on-tag" if vault else "--every or --cron"
        raise typer.BadParameter(f"give one of {choices}")
    made = schedule_pb2.Schedule()
    if every:
        found = re.fullmatch(r"(\d+)([smhdw])", every)
        if found is None:
            raise typer.BadParameter("must be a number and one of s, m, h, d, w", param_hint="--every")
        made.every.FromSeconds(int(found[1]) * _UNITS[found[2]])
    elif cron:
        made.cron.expression, made.cron.time_zone = cron, zone
    else:
        made.tags.vault = vault
        made.tags.tags.extend(tags)
    return made


def _create(
    run: Session, schedule_id: str, spec: job_pb2.JobSpec, schedule: schedule_pb2.Schedule, *, existing: bool = False
) -> None:
    schedule.spec.CopyFrom(spec)
    made = run.client.scheduler.create_schedule(
        parent=run.org, schedule_id=schedule_id, schedule=schedule, include_existing=existing
    ).schedule
    if run.as_json:
        show(made, as_json=True)
        return
    due = f"first at {_plain.pick(made, 'next_time')}" if made.HasField("next_time") else "waits for labels"
    line(f"[green]scheduled[/green] {escape(made.name)}: {due}")
