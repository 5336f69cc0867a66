"""`memporium tier ...`: where memories lie and in which form, what they save, and what strategies would save."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from memporium.cli import _simulation
from memporium.cli._context import Session, session
from memporium.cli._files import whole
from memporium.cli._output import line, show, show_all, show_rows
from memporium.cli._pages import all_pages
from memporium.scheduler.v1 import conversion_pb2, job_pb2

app = typer.Typer(
    name="tier", help="Tiers: where memories lie, in which form, and what that saves.", no_args_is_help=True
)

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_MOST_BYTES, _LONGEST_S, _DIGITS = (1 << 63) - 1, 315_576_000_000, 19
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
Vault = Annotated[str, typer.Argument(help="Vault: its id, or its full name.")]
Budget = Annotated[str, typer.Option(help="Bytes, such as 500000, 64M or 2G.")]
Strategy = Annotated[str, typer.Option(help="Strategy, see `tier strategies`.")]
Labels = Annotated[list[str], typer.Option("--label", help="Label for the strategy `label`; may be repeated.")]
Query = Annotated[str, typer.Option(help="Question or topic for the strategy `semantic`.")]
Org = Annotated[str, typer.Option(help="Organisation; empty: your own.")]


@app.command(epilog="Example: memporium tier strategies")
def strategies(context: typer.Context) -> None:
    """List the strategies, also those of installed packages."""
    run = session(context)
    found = all_pages(run.client.scheduler.list_strategies, "strategies")
    show_all(found, ["name", "description", "policy", "origin"], as_json=run.as_json)


@app.command(epilog="Example: memporium tier plan notes --strategy semantic --query coffee --budget 64M")
def plan(
    context: typer.Context,
    vault: Vault,
    budget: Budget,
    strategy: Strategy = "lru",
    label: Labels = [],
    query: Query = "",
) -> None:
    """Show which memories of a vault a strategy would keep hot; nothing is moved."""
    run = session(context)
    found = run.client.scheduler.plan_placement(
        parent=run.absolute(vault, "vaults"), strategy=strategy, budget_bytes=_bytes(budget), labels=label, query=query
    )
    columns = ["cube", "current_tier", "tier", "score", "size_bytes", "reason"]
    show_all(found.placements, columns, as_json=run.as_json)


@app.command(epilog="Example: memporium tier place notes --strategy hybrid --budget 64M")
def place(
    context: typer.Context,
    vault: Vault,
    budget: Budget,
    strategy: Strategy = "hybrid",
    label: Labels = [],
    query: Query = "",
) -> None:
    """Move the memories of a vault between tiers by a job, which goes on after a crash."""
    run = session(context)
    asked = job_pb2.PlaceMemories(
        vault=run.absolute(vault, "vaults"), strategy=strategy, budget_bytes=_bytes(budget), labels=label, query=query
    )
    spec = job_pb2.JobSpec(place_memories=asked)
    show(run.client.scheduler.create_job(parent=run.org, spec=spec).job, as_json=run.as_json, title="queued")


@app.command(epilog="Example: memporium tier convert notes --dry-run")
def convert(
    context: typer.Context,
    vault: Vault,
    frequent: Annotated[float, typer.Option(help="Heat from which a memory is frequent.")] = 3.0,
    stable: Annotated[str, typer.Option(help="Unchanged for so long is stable: 0s, 6h, 1d.")] = "1d",
    dwell: Annotated[str, typer.Option(help="A conversion lasts so long at least.")] = "1d",
    budget: Budget = "1G",
    most: Annotated[int, typer.Option(help="Conversions at most.")] = 20,
    model: Annotated[str, typer.Option(help="Model; empty: the default.")] = "",
    no_training: Annotated[bool, typer.Option("--no-training", help="To KV only; train nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and why.")] = False,
) -> None:
    """Move memories between text, KV and LoRA by how they are used, by a job."""
    run = session(context)
    rules = conversion_pb2.ConversionRules(
        frequent_heat=frequent, budget_bytes=_bytes(budget), max_conversions=most, model=model, no_training=no_training
    )
    rules.stable_after.FromSeconds(_seconds(stable, "--stable"))
    rules.dwell.FromSeconds(_seconds(dwell, "--dwell"))
    name = run.absolute(vault, "vaults")
    if not dry_run:
        spec = job_pb2.JobSpec(convert_memories=job_pb2.ConvertMemories(vault=name, rules=rules))
        show(run.client.scheduler.create_job(parent=run.org, spec=spec).job, as_json=run.as_json, title="queued")
        return
    found = run.client.scheduler.plan_conversions(parent=name, rules=rules)
    if run.as_json:
        show(found, as_json=True)
        return
    show_all(found.proposals, ["target", "cubes", "derived", "reason", "size_bytes", "blocked"], as_json=False)
    for reason, count in sorted(found.staying.items()):
        line(escape(f"stay: {count} {reason}"))


@app.command(epilog="Example: memporium tier undo orgs/acme/vaults/notes/cubes/KV --reason 'wrong model'")
def undo(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="KV or LoRA memory, by its full name.")],
    reason: Annotated[str, typer.Option(help="Why; kept in its versions.")] = "",
) -> None:
    """Undo a conversion: the KV or LoRA memory expires, its text is used again."""
    run = session(context)
    done = run.client.scheduler.undo_conversion(name=name, reason=reason)
    if run.as_json:
        show(done, as_json=True)
        return
    line(f"[green]undone[/green] {escape(done.cube.name)}")
    for cube in done.cubes:
        line(escape(f"used again: {cube}"))


@app.command(epilog="Example: memporium tier status")
def status(context: typer.Context, org: Org = "") -> None:
    """Show how the tier of tensors in host memory serves your organisation."""
    run = session(context)
    show(run.client.inference.get_tier_usage(parent=run.parent(org)).usage, as_json=run.as_json)


@app.command(epilog="Example: memporium tier trace --out uses.jsonl")
def trace(
    context: typer.Context,
    org: Org = "",
    most: Annotated[int, typer.Option(help="Newest uses at most; 0: all that are kept.")] = 0,
    out: Annotated[Path | None, typer.Option(help="File to write; default: the output.")] = None,
) -> None:
    """Export the recorded uses of memories as JSON lines; nothing that memories say."""
    run = session(context)
    rows = [json.dumps(row) + "\n" for row in _rows(run, org, most)]
    if out is None:
        sys.stdout.writelines(rows)
        return
    with whole(out) as file:
        file.writelines(row.encode() for row in rows)
    line(f"[green]written[/green] {len(rows)} uses to {escape(str(out))}")


@app.command(epilog="Example: memporium tier simulate --trace uses.jsonl --budget 64M --strategy hybrid")
def simulate(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Option("--trace", help="Uses as `tier trace` wrote them, replayed here; default: on the server."),
    ] = None,
    budget: Annotated[
        list[str], typer.Option(help="Size of the tier, such as 64M; may be repeated. Default: 5, 10 and 20 % of all.")
    ] = [],
    strategy: Annotated[list[str], typer.Option(help="Strategy; may be repeated. Default: all.")] = [],
    org: Org = "",
) -> None:
    """Show what each strategy would have saved, beside the best that knows the future."""
    run, budgets = session(context), [_bytes(one) for one in budget]
    if file is not None:
        found = _simulation.of_file(file, budgets, strategy)
    else:
        found = run.client.scheduler.simulate_tier(
            parent=run.parent(org), budgets_bytes=budgets, strategies=strategy, timeout_s=300.0
        )
    if run.as_json:
        show(found, as_json=True)
        return
    line(escape(f"{found.uses} uses of {found.memories} memories, {found.bytes} bytes"))
    for tier in found.tiers:
        known = f"the future known saves {tier.achievable_s:.1f} to {tier.limit_s:.1f} s"
        line(f"[bold]{tier.budget_bytes} bytes[/bold]: {known}")
        heads = ["strategy", "hits", "saved s", "of the future", "prefetching s", "precision"]
        show_rows(heads, [_simulation.row(one, tier) for one in tier.strategies])


def _rows(run: Session, org: str, most: int) -> list[dict[str, Any]]:
    found = []
    for response in run.client.inference.read_tier_trace(parent=run.parent(org), max_uses=most):
        for use in response.uses:
            at = use.use_time.seconds + use.use_time.nanos / 1e9
            row = {"at": at, "agent": use.agent, "key": use.key or use.cube, "cube": use.cube}
            row |= {"size_bytes": use.size_bytes, "saved_s": use.saved_s}
            found.append(row)
    return found


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)([kmg]?)b?", text.lower())
    if found is None:
        raise typer.BadParameter("must be a number of bytes, such as 500000, 64M or 2G", param_hint="--budget")
    # Digits first: whoever writes thousands of them need not be counted with.
    size = int(found[1]) * _UNITS[found[2]] if len(found[1]) <= _DIGITS else _MOST_BYTES + 1
    if size > _MOST_BYTES:
        raise typer.BadParameter("is more than any tier has", param_hint="--budget")
    return size


def _seconds(text: str, option: str) -> int:
    found = re.fullmatch(r"(\d+)([smhdw])", text)
    if found is None:
        raise typer.BadParameter("must be a number and one of s, m, h, d, w", param_hint=option)
    length = int(found[1]) * _SECONDS[found[2]] if len(found[1]) <= _DIGITS else _LONGEST_S + 1
    if length > _LONGEST_S:
        raise typer.BadParameter("is longer than ten thousand years", param_hint=option)
    return length
