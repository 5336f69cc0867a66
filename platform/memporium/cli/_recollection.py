"""What search and recall found, for people: each result with its place, its credit, and why it was found."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape

from memporium.cli._output import line
from memporium.cube.v1 import cube_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memporium.reader.v1 import claims_pb2, recall_pb2
    from memporium.vault.v1 import search_pb2

_INDENT = "      "


def show_hit(hit: search_pb2.SearchHit, *, explain: bool) -> None:
    """Print one result of a search."""
    _show_text(f"{hit.score:.3f}", hit.unit.text or hit.cube.descriptive.title)
    _show_place(f"{hit.cube.name} #{hit.unit.ordinal}", hit.attribution)
    if explain:
        for leg in hit.legs:
            line(f"{_INDENT}[dim]{leg.leg}: {leg.score:.3f}, rank {leg.rank}, weight {leg.weight:.2f}[/dim]")


def show_item(item: recall_pb2.RecallItem) -> None:
    """Print one recalled item with the number by which a model cites it."""
    _show_text(f"[{item.citation}]", item.text)
    for told in item.evidence:
        _show_place(f"{told.source.source} {told.source.locator}: {told.text}", "")
    if item.kind:
        _show_place(item.cube, "")
        return
    source = f"{item.source.source} {item.source.locator}".strip()
    _show_place(source, "")
    _show_place(f"{item.cube}, score {item.score:.2f}", item.attribution)
    for status in item.claims:
        if status.superseded_by or status.in_conflict_with:
            _show_standing(status)


def show_status(status: claims_pb2.ClaimStatus, *, of: str, trust: float) -> None:
    """Print one claim with where it stands, how far that is trusted, and what became of it."""
    claim = status.claim
    value = f"no longer {claim.value}" if claim.ended else claim.value
    line(f"[bold]{escape(claim.subject)}[/bold], {escape(claim.attribute)}: {escape(value)}")
    _show_place(f"{of}, trust {trust:.2f}", "")
    _show_standing(status)


def _show_standing(status: claims_pb2.ClaimStatus) -> None:
    trusted = "trusted less" if status.most_trusted else "trusted more"
    for mark, references in (
        ("[red]superseded by[/red]", status.superseded_by),
        ("supersedes", status.supersedes),
        (f"[yellow]in conflict with[/yellow] ({trusted})", status.in_conflict_with),
    ):
        for one in references:
            number = f"[{one.citation}]" if one.citation else f"{one.cube} #{one.unit}"
            line(f"{_INDENT}{mark} {escape(f'{number}: {one.value}, trust {one.trust:.2f}')}")


def show_formations(formations: Sequence[cube_pb2.Formation]) -> None:
    """Print what a language model had part in; nothing where none was asked."""
    if not formations:
        return
    kept, dropped = sum(one.extracted_facts for one in formations), sum(one.dropped_facts for one in formations)
    by_model = sum(one.path == cube_pb2.FORMATION_PATH_MODEL for one in formations)
    told = f"{formations[0].model}: {by_model} of {len(formations)} episodes, {kept} facts kept, {dropped} dropped"
    for name, path in (("in part", cube_pb2.FORMATION_PATH_MODEL), ("by rules alone", cube_pb2.FORMATION_PATH_RULES)):
        why = Counter(one.failure for one in formations if one.failure and one.path == path)
        rest = ", ".join(f"{count} {failure}" for failure, count in sorted(why.items()))
        told += f"; {name}: {rest}" if rest else ""
    line(f"{_INDENT}[dim]{escape(told)}[/dim]")


def show_judge(trace: recall_pb2.RecallTrace) -> None:
    """Print what a language model had part in; nothing where none was asked."""
    if trace.judge:
        how = (
            f"not judged: {trace.judge_failure}" if trace.judge_failure else f"judged in {trace.judge_us / 1000:.0f} ms"
        )
        line(f"{_INDENT}[dim]{escape(f'{trace.judge}: {how}')}[/dim]")


def show_refusals(refusals: Iterable[search_pb2.MountRefusal] | Iterable[recall_pb2.RecallRefusal]) -> None:
    """Print which mounts were left out, and why."""
    for refusal in refusals:
        line(f"[yellow]left out[/yellow] {escape(f'{refusal.mount}: {refusal.reason}: {refusal.message}')}")


def _show_text(mark: str, text: str) -> None:
    first, *others = text.splitlines() or [""]
    line(f"[bold]{escape(f'{mark:<5}')}[/bold] {escape(first)}")
    for other in others:
        line(f"{_INDENT}{escape(other)}")


def _show_place(place: str, attribution: str) -> None:
    credit = f"  [magenta]{escape(attribution)}[/magenta]" if attribution else ""
    if place or credit:
        line(f"{_INDENT}[dim]{escape(place)}[/dim]{credit}")
