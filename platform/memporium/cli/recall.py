"""Using memories: `memporium remember`, `search`, `recall`, `generate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from memporium.cli._context import session
from memporium.cli._output import as_dict, console, print_json, show, show_all
from memporium.inference.v1 import generate_pb2
from memporium.reader.v1 import recall_pb2
from memporium.sources import documents, turns
from memporium.vault.v1 import cubes_pb2, search_pb2

_MODES = {"tags": 1, "text": 2, "meaning": 3, "hybrid": 4}

Vault = Annotated[str, typer.Argument(help="Vault: its id in your organisation, or its full name.")]
Limit = Annotated[int, typer.Option(help="Most results.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(remember)
    app.command()(search)
    app.command()(recall)
    app.command()(generate)


def remember(
    context: typer.Context,
    vault: Vault,
    path: Annotated[Path, typer.Argument(help="Folder of Markdown or text, a text file, JSON lines, or a dialogue.")],
    tag: Annotated[list[str], typer.Option(help="Label of every memory; may be repeated.")] = [],
) -> None:
    """Remember documents, or the dialogues of a file with sessions of turns."""
    run = session(context)
    parent = run.absolute(vault, "vaults")
    sessions = turns.load(path) if turns.is_dialogue(path) else None
    if sessions is None:
        response = run.client.reader.remember_documents(
            documents.requests(parent, documents.load(path), tags=tag), timeout_s=3600
        )
        show(response, as_json=run.as_json, title="remembered")
        return
    responses = [run.client.reader.remember(turns.requests(parent, one, tags=tag), timeout_s=3600) for one in sessions]
    show_all(responses, ["turns", "known_turns", "revision"], as_json=run.as_json, title="remembered sessions")


def search(
    context: typer.Context,
    vault: Vault,
    query: Annotated[str, typer.Argument(help="Words or a question; may be empty with --tag.")] = "",
    mode: Annotated[str, typer.Option(help="tags, text, meaning or hybrid.")] = "hybrid",
    tag: Annotated[list[str], typer.Option(help="Only memories with all of these labels.")] = [],
    limit: Limit = 10,
    explain: Annotated[bool, typer.Option(help="Show each leg's score and rank.")] = False,
) -> None:
    """Search a vault and its mounts."""
    run = session(context)
    if mode not in _MODES:
        raise typer.BadParameter(f"must be one of {', '.join(_MODES)}", param_hint="--mode")
    responses = run.client.vault.search_cubes(
        parent=run.absolute(vault, "vaults"),
        query=query,
        mode=_MODES[mode],
        filter=cubes_pb2.CubeFilter(tags_all=tag),
        limit=limit,
        explain=explain,
    )
    if run.as_json:
        print_json([as_dict(response) for response in responses])
        return
    for response in responses:
        for hit in response.hits:
            _print_hit(hit, explain=explain)
        for refusal in response.refusals:
            console.print(f"[yellow]not searched[/yellow] {refusal.mount}: {refusal.reason} {escape(refusal.message)}")
        if response.HasField("summary"):
            console.print(f"[dim]revision {response.summary.revision}, {response.summary.total_us / 1000:.1f} ms[/dim]")


def recall(
    context: typer.Context,
    vault: Vault,
    query: Annotated[str, typer.Argument(help="The question.")],
    limit: Limit = 10,
    budget: Annotated[int, typer.Option(help="Most tokens of the context.")] = 1000,
    show_context: Annotated[bool, typer.Option("--context", help="Print the text to put before a model.")] = False,
) -> None:
    """Recall the smallest sufficient context for a question, with its sources."""
    run = session(context)
    response: recall_pb2.RecallResponse = run.client.reader.recall(
        parent=run.absolute(vault, "vaults"), query=query, limit=limit, budget_tokens=budget
    )
    if run.as_json:
        print_json(as_dict(response))
    elif show_context:
        sys.stdout.write(response.context + "\n")
    else:
        for item in response.items:
            source = f"{item.source.source} {item.source.locator}".strip()
            credit = f" [magenta]{escape(item.attribution)}[/magenta]" if item.attribution else ""
            console.print(f"[bold]\\[{item.citation}][/bold] {escape(item.text)}")
            console.print(f"    [dim]{item.score:.3f}  {escape(source)}  {item.cube}[/dim]{credit}")
        for refusal in response.refusals:
            console.print(f"[yellow]left out[/yellow] {refusal.mount}: {refusal.reason} {escape(refusal.message)}")
        console.print(f"[dim]{response.context_tokens} tokens of context[/dim]")


def generate(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What to ask the model.")],
    mount: Annotated[list[str], typer.Option(help="Cube to mount; may be repeated.")] = [],
    model: Annotated[str, typer.Option(help="Model; empty: the default.")] = "",
    max_tokens: Annotated[int, typer.Option(help="Most new tokens.")] = 128,
) -> None:
    """Generate text with memories mounted."""
    run = session(context)
    responses = run.client.inference.generate(
        model=model,
        messages=[generate_pb2.Message(role=generate_pb2.ROLE_USER, content=prompt)],
        mounts=[generate_pb2.MemoryMount(cube=cube) for cube in mount],
        max_tokens=max_tokens,
    )
    if run.as_json:
        print_json([as_dict(response) for response in responses])
        return
    for response in responses:
        sys.stdout.write(response.delta.text)
        sys.stdout.flush()
        if response.HasField("finished"):
            sys.stdout.write("\n")
            for citation in response.finished.citations:
                console.print(f"[dim]{citation.cube} {escape(citation.attribution)}[/dim]")
            console.print(f"[dim]{json.dumps(as_dict(response.finished.timings))}[/dim]")


def _print_hit(hit: search_pb2.SearchHit, *, explain: bool) -> None:
    credit = f" [magenta]{escape(hit.attribution)}[/magenta]" if hit.attribution else ""
    console.print(f"[bold]{hit.score:.3f}[/bold] {escape(hit.unit.text)}")
    console.print(f"      [dim]{hit.cube.name} #{hit.unit.ordinal}[/dim]{credit}")
    if explain:
        legs = ", ".join(f"{leg.leg} {leg.score:.3f} (rank {leg.rank}, weight {leg.weight:.2f})" for leg in hit.legs)
        console.print(f"      [dim]{legs}[/dim]")
