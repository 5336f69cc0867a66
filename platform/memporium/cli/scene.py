"""What memory makes of memories: `memporium consolidate`, `scene ...`, `profile ...`, `foresight ...`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from google.protobuf import field_mask_pb2
from rich.markup import escape

from memporium.cli._context import session
from memporium.cli._moment import moment
from memporium.cli._output import as_dict, line, print_json, show_all, show_rows
from memporium.cli._pages import all_pages
from memporium.reader.v1 import profile_pb2
from memporium.vault.v1 import vault_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.timestamp_pb2 import Timestamp

    from memporium.reader.v1 import scenes_pb2

app = typer.Typer(name="scene", help="Scenes: episodes of one theme that lie close in time.", no_args_is_help=True)
profile_app = typer.Typer(name="profile", help="Profiles: what memory knows of a person.", no_args_is_help=True)
foresight_app = typer.Typer(
    name="foresight", help="Foresight: what memory lets expect, and when.", no_args_is_help=True
)

Vault = Annotated[str, typer.Argument(help="Vault: its id in your organisation, or its full name.")]
Persona = Annotated[str, typer.Option(help="Only this role stream; empty: all.")]
_INDENT = "      "


def register(root: typer.Typer) -> None:
    """Add the commands and groups to the root."""
    root.command(epilog="Example: memporium consolidate notes --gap-days 14")(consolidate)
    for group in (app, profile_app, foresight_app):
        root.add_typer(group)


def consolidate(
    context: typer.Context,
    vault: Vault,
    persona: Persona = "",
    threshold: Annotated[
        float | None, typer.Option(help="Likeness to a scene above which an episode joins it.", min=0, max=1)
    ] = None,
    gap_days: Annotated[
        float | None, typer.Option(help="Most days between an episode and a scene that it joins.", min=0)
    ] = None,
) -> None:
    """Gather new episodes into scenes and bring profiles up to date."""
    run = session(context)
    response: scenes_pb2.ConsolidateResponse = run.client.reader.consolidate(
        parent=run.absolute(vault, "vaults"),
        persona=persona,
        **({} if threshold is None else {"threshold": threshold}),
        **({} if gap_days is None else {"gap": timedelta(days=gap_days)}),
        timeout_s=3600,
    )
    if run.as_json:
        print_json(as_dict(response))
        return
    made = f"{response.scenes_created} scenes made, {response.scenes_updated} changed, {response.scenes} in all"
    line(f"[green]consolidated[/green] {response.new_episodes} new episodes: {made}")
    if response.remaining_episodes:
        line(f"[yellow]{response.remaining_episodes} episodes are left[/yellow]: run it again, or as a job")
    for refusal in response.refusals:
        line(f"[yellow]{refusal.episodes} episodes left out[/yellow] ({refusal.agreement}): {escape(refusal.message)}")
    if response.profiles_changed:
        line(f"[dim]profiles of {escape(', '.join(response.profiles_changed))}[/dim]")


@app.command(epilog="Example: memporium scene limits notes --threshold 0.6 --gap-days 14")
def limits(
    context: typer.Context,
    vault: Vault,
    threshold: Annotated[
        float | None, typer.Option(help="Likeness to a scene above which an episode joins it.", min=0, max=1)
    ] = None,
    gap_days: Annotated[
        float | None, typer.Option(help="Most days between an episode and a scene that it joins.", min=0)
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="The reader's defaults again.")] = False,
) -> None:
    """Show or set which episodes make a scene in a vault, for consolidations that name no limits of their own."""
    run = session(context)
    name = run.absolute(vault, "vaults")
    found = run.client.vault.get_vault(name=name).vault
    if reset or threshold is not None or gap_days is not None:
        wanted = vault_pb2.SceneLimits()
        if not reset:
            wanted.CopyFrom(found.scenes)
        if threshold is not None:
            wanted.threshold = threshold
        if gap_days is not None:
            wanted.gap.FromTimedelta(timedelta(days=gap_days))
        changed = vault_pb2.Vault(name=name, etag=found.etag, scenes=wanted)
        mask = field_mask_pb2.FieldMask(paths=["scenes"])
        found = run.client.vault.update_vault(vault=changed, update_mask=mask).vault
    if run.as_json:
        print_json(as_dict(found.scenes))
        return
    told = found.scenes
    near = f"{told.threshold:g}" if told.HasField("threshold") else "the reader's default"
    days = f"{told.gap.ToTimedelta() / timedelta(days=1):g} days" if told.HasField("gap") else "the reader's default"
    line(f"threshold {near}, gap {days}")


@app.command(name="list", epilog="Example: memporium scene list notes")
def list_scenes(context: typer.Context, vault: Vault, persona: Persona = "") -> None:
    """List the scenes of a vault."""
    run = session(context)
    parent = run.absolute(vault, "vaults")
    found = all_pages(run.client.reader.list_scenes, "scenes", parent=parent, persona=persona)
    show_all(found, ["name", "title", "start_time", "end_time", "entities", "persona"], as_json=run.as_json)


@app.command(name="show", epilog="Example: memporium scene show orgs/acme/vaults/notes/cubes/SCENE")
def show_scene(
    context: typer.Context, name: Annotated[str, typer.Argument(help="Full name of the scene's cube.")]
) -> None:
    """Show a scene: its episodes, and the statements that stand for it with their turns."""
    run = session(context)
    scene = run.client.reader.get_scene(name=name).scene
    if run.as_json:
        print_json(as_dict(scene))
        return
    line(f"[green]{escape(scene.title)}[/green]")
    line(f"[dim]{escape(', '.join(scene.entities))}[/dim]")
    show_rows(["began", "episode", "cube"], [[_day(one.start_time), one.title, one.cube] for one in scene.members])
    _show_evidence(scene.summary)


@profile_app.command(name="show", epilog="Example: memporium profile show notes 'Ada Lovelace'")
def show_profile(
    context: typer.Context,
    vault: Vault,
    person: Annotated[str, typer.Argument(help="The person, as they are called as a speaker.")],
    persona: Annotated[str, typer.Option(help="Role stream; empty: your own.")] = "",
) -> None:
    """Show what memory knows of a person, with the turns that say so."""
    run = session(context)
    parent = run.absolute(vault, "vaults")
    profile = run.client.reader.get_profile(parent=parent, subject=person, persona=persona).profile
    if run.as_json:
        print_json(as_dict(profile))
        return
    line(f"[green]{escape(profile.subject)}[/green]")
    for fact in profile.facts:
        standing = profile_pb2.ProfileStanding.Name(fact.standing).removeprefix("PROFILE_STANDING_")
        mark = "" if fact.standing == profile_pb2.PROFILE_STANDING_CURRENT else f"  [yellow]{standing}[/yellow]"
        line(f"[bold]{escape(fact.attribute)}:[/bold] {escape(fact.value)}{mark}  [dim]{_day(fact.last_time)}[/dim]")
        _show_evidence(fact.evidence)
    for trait in profile.traits:
        line(f"[bold]often:[/bold] {escape(trait.topic)}  [dim]{trait.episodes} episodes[/dim]")
        _show_evidence(trait.evidence[:1])


@foresight_app.command(name="list", epilog="Example: memporium foresight list notes --now 2026-03-01")
def list_foresights(
    context: typer.Context,
    vault: Vault,
    persona: Persona = "",
    now: Annotated[
        str, typer.Option(help="Time of asking (ISO 8601), for instance 2026-03-01; without a zone UTC; empty: now.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="List what is over or has not come, too.")] = False,
) -> None:
    """List what memory lets expect at a time."""
    run = session(context)
    request = {"parent": run.absolute(vault, "vaults"), "persona": persona, "include_all": everything}
    if now:
        request["now"] = moment(now, "--now")
    found = all_pages(run.client.reader.list_foresights, "foresights", **request)
    columns = ["foresight.text", "status", "foresight.start_time", "foresight.end_time", "foresight.source.locator"]
    show_all(found, columns, as_json=run.as_json)


def _show_evidence(evidence: Iterable[scenes_pb2.Evidence]) -> None:
    for one in evidence:
        source = f"{one.source.source} {one.source.locator}".strip()
        line(f"{_INDENT}{escape(one.text)}  [dim]{escape(source)}[/dim]")


def _day(time: Timestamp) -> str:
    return f"{time.ToDatetime():%Y-%m-%d}"
