"""Using memories: `memporium remember`, `search`, `recall`, `generate`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from memporium.cli import _recollection
from memporium.cli._citations import show_citations
from memporium.cli._context import Session, session
from memporium.cli._moment import moment, read_at
from memporium.cli._output import as_dict, line, print_json, print_json_line
from memporium.inference.v1 import generate_pb2
from memporium.reader.v1 import recall_pb2, remember_pb2
from memporium.sources import documents, turns
from memporium.vault.v1 import cubes_pb2, search_pb2, vault_service_pb2

_MODES = {
    "tags": search_pb2.SEARCH_MODE_TAGS,
    "text": search_pb2.SEARCH_MODE_FULL_TEXT,
    "meaning": search_pb2.SEARCH_MODE_SEMANTIC,
    "hybrid": search_pb2.SEARCH_MODE_HYBRID,
}


class Compose(StrEnum):
    """How KV caches behind the first are composed."""

    EXACT = "exact"
    RE_ROTATED = "re-rotated"
    SELECTIVE = "selective"


Vault = Annotated[str, typer.Argument(help="Vault: its id in your organisation, or its full name.")]
Limit = Annotated[int, typer.Option(help="Most results.", min=1)]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(epilog="Example: memporium remember handbook ./docs --tag office")(remember)
    app.command(epilog="Example: memporium search handbook 'printer jams' --time 2026-01-31T12:00:00Z")(search)
    app.command(epilog="Example: memporium recall handbook 'How do I fix the printer?' --context")(recall)
    app.command(epilog="Example: memporium generate 'Where is the code?' --mount orgs/acme/vaults/notes/cubes/CUBE")(
        generate
    )


def remember(
    context: typer.Context,
    vault: Vault,
    path: Annotated[
        Path, typer.Argument(help="Folder of Markdown or text, one such file, JSON lines, or a dialogue.", exists=True)
    ],
    tag: Annotated[list[str], typer.Option(help="Label of every memory; may be repeated.")] = [],
    persona: Annotated[str, typer.Option(help="Role stream of the memories; empty: your own.")] = "",
    trust: Annotated[list[str], typer.Option(help="Trust in the source, 0 to 1; or of a role: tool=0.3.")] = [],
) -> None:
    """Remember documents, or the dialogues of a file with sessions of turns."""
    run = session(context)
    parent, trusted = run.absolute(vault, "vaults"), _trust(trust)
    try:
        if turns.is_dialogue(path):
            sessions = turns.load(path)
            responses = [
                run.client.reader.remember(
                    turns.requests(parent, one, tags=tag, persona=persona, trust=trusted), timeout_s=3600
                )
                for one in sessions
            ]
        else:
            found = documents.load(path)
            requests = documents.requests(parent, found, tags=tag, persona=persona, trust=trusted.get("*"))
            responses = [run.client.reader.remember_documents(requests, timeout_s=3600)]
    except (ValueError, KeyError) as error:
        raise typer.BadParameter(str(error), param_hint="PATH") from None
    _show_remembered(run, responses)


def search(
    context: typer.Context,
    vault: Vault,
    query: Annotated[str, typer.Argument(help="Words or a question; may be empty with --tag.")] = "",
    mode: Annotated[str, typer.Option(help="tags, text, meaning or hybrid.")] = "hybrid",
    tag: Annotated[list[str], typer.Option(help="Only memories with all of these labels.")] = [],
    limit: Limit = 10,
    explain: Annotated[bool, typer.Option(help="Show each leg's score and rank.")] = False,
    revision: Annotated[int, typer.Option(help="What the vault held at this revision, without mounts.")] = 0,
    time: Annotated[str, typer.Option(help="What the vault held at this time (ISO 8601), without mounts.")] = "",
) -> None:
    """Search a vault and its mounts, or what the vault held at an earlier revision or time."""
    run = session(context)
    if mode not in _MODES:
        raise typer.BadParameter(f"must be one of {', '.join(_MODES)}", param_hint="--mode")
    found = vault_service_pb2.SearchCubesResponse()
    for response in run.client.vault.search_cubes(
        parent=run.absolute(vault, "vaults"),
        query=query,
        mode=_MODES[mode],
        filter=cubes_pb2.CubeFilter(tags_all=tag),
        limit=limit,
        explain=explain,
        **read_at(revision, time),
    ):
        found.MergeFrom(response)
    if run.as_json:
        print_json(as_dict(found))
        return
    for hit in found.hits:
        _recollection.show_hit(hit, explain=explain)
    _recollection.show_refusals(found.refusals)
    line(f"[dim]{len(found.hits)} found in {found.summary.total_us / 1000:.1f} ms[/dim]")


def recall(
    context: typer.Context,
    vault: Vault,
    query: Annotated[str, typer.Argument(help="The question.")],
    limit: Limit = 10,
    budget: Annotated[int, typer.Option(help="Most tokens of the context.", min=1)] = 1000,
    now: Annotated[str, typer.Option(help="The time of asking (ISO 8601), for words such as last week.")] = "",
    tag: Annotated[list[str], typer.Option(help="Only memories with all of these labels.")] = [],
    source: Annotated[list[str], typer.Option(help="Only from these sessions or files; may be repeated.")] = [],
    persona: Annotated[str, typer.Option(help="Only memories of this role stream; empty: all.")] = "",
    as_of: Annotated[str, typer.Option(help="Only what was said before this time (ISO 8601).")] = "",
    true_at: Annotated[str, typer.Option(help="What held at this time (ISO 8601).")] = "",
    revision: Annotated[int, typer.Option(help="What the vault held at this revision, without mounts.")] = 0,
    time: Annotated[str, typer.Option(help="What the vault held at this time (ISO 8601), without mounts.")] = "",
    scenes: Annotated[bool, typer.Option("--scenes", help="Tell the scenes that the best memories lie in.")] = False,
    profiles: Annotated[
        bool, typer.Option("--profiles", help="Tell what persons in the question said of themselves.")
    ] = False,
    likelihood: Annotated[bool, typer.Option(help="Let the server's model, if any, judge the best.")] = True,
    without: Annotated[list[str], typer.Option(help="Leave a lever of the ranking out, for instance spread.")] = [],
    show_context: Annotated[bool, typer.Option("--context", help="Print the text to put before a model.")] = False,
) -> None:
    """Recall the smallest sufficient context for a question, with its sources."""
    run = session(context)
    times = (("now", now, "--now"), ("known_time", as_of, "--as-of"), ("true_time", true_at, "--true-at"))
    response: recall_pb2.RecallResponse = run.client.reader.recall(
        parent=run.absolute(vault, "vaults"),
        query=query,
        limit=limit,
        budget_tokens=budget,
        filter=recall_pb2.RecallFilter(persona=persona, tags_all=tag, sources=source),
        options=_options(without, scenes=scenes, profiles=profiles, likelihood=likelihood),
        **{name: moment(given, option) for name, given, option in times if given},
        **read_at(revision, time),
    )
    if run.as_json:
        print_json(as_dict(response))
    elif show_context:
        sys.stdout.write(response.context + "\n")
    else:
        for item in response.items:
            _recollection.show_item(item)
        _recollection.show_refusals(response.refusals)
        line(f"[dim]{len(response.items)} recalled, {response.context_tokens} tokens of context[/dim]")
        _recollection.show_judge(response.trace)


def _options(without: list[str], **given: bool) -> recall_pb2.RecallOptions:
    """Return the switches of the levers: those left out are off, and others as given, or as the server has them."""
    levers = set(recall_pb2.RecallOptions.DESCRIPTOR.fields_by_name)
    for name in without:
        if name not in levers:
            raise typer.BadParameter(f"must be one of {', '.join(sorted(levers))}", param_hint="--without")
    return recall_pb2.RecallOptions(**given | dict.fromkeys(without, False))


def generate(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What to ask the model.")],
    mount: Annotated[list[str], typer.Option(help="Memory to mount, by full name; may be repeated.")] = [],
    model: Annotated[str, typer.Option(help="Model; empty: the default.")] = "",
    max_tokens: Annotated[int, typer.Option(help="Most new tokens.", min=1)] = 128,
    compose: Annotated[Compose, typer.Option(help="How KV caches behind the first are composed.")] = Compose.EXACT,
    recompute: Annotated[
        float, typer.Option(help="With selective: share of tokens to compute again; 0: the default.", min=0, max=1)
    ] = 0,
) -> None:
    """Generate text with memories mounted: text, KV caches, LoRA adapters."""
    run = session(context)
    responses = run.client.inference.generate(
        model=model,
        messages=[generate_pb2.Message(role=generate_pb2.ROLE_USER, content=prompt)],
        mounts=[generate_pb2.MemoryMount(cube=cube) for cube in mount],
        max_tokens=max_tokens,
        kv_composition=generate_pb2.KvComposition.Value(f"KV_COMPOSITION_{compose.name}"),
        recompute_share=recompute,
    )
    answer = ""
    for response in responses:
        if run.as_json:
            print_json_line(response)
            continue
        answer += response.delta.text
        sys.stdout.write(response.delta.text)
        sys.stdout.flush()
        if response.HasField("finished"):
            sys.stdout.write("\n")
            show_citations(answer, response.finished.citations)
            times = response.finished.timings
            first, total = times.time_to_first_token.ToTimedelta(), times.total.ToTimedelta()
            line(f"[dim]first token {first.total_seconds():.2f} s, in all {total.total_seconds():.2f} s[/dim]")


def _trust(given: list[str]) -> dict[str, float]:
    """Return trust by role; `*` is the one without a role."""
    try:
        pairs = [one.rpartition("=") for one in given]
        return {role or "*": float(number) for role, _, number in pairs}
    except ValueError:
        raise typer.BadParameter("must be a number, or ROLE=NUMBER", param_hint="--trust") from None


def _show_remembered(
    run: Session, responses: list[remember_pb2.RememberResponse] | list[remember_pb2.RememberDocumentsResponse]
) -> None:
    if run.as_json:
        print_json([as_dict(response) for response in responses])
        return
    cubes = [cube for response in responses for cube in response.cubes]
    new = sum(cube.created for cube in cubes)
    facts = sum(cube.facts for cube in cubes)
    line(f"[green]remembered[/green] {new} new memories with {facts} facts or passages, {len(cubes) - new} were known")
    _recollection.show_formations([cube.formation for cube in cubes if cube.HasField("formation")])
