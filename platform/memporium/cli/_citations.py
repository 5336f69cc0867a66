"""How the memories behind an answer are shown: what was used, under which licence, and which sentences rest on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from memporium.cli._output import line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def show_citations(answer: str, citations: Iterable[Any]) -> None:
    """Print them; a memory with several licences once, its licences one a line."""
    for text in citation_lines(answer, citations):
        line(f"[dim]{escape(text)}[/dim]")


def citation_lines(answer: str, citations: Iterable[Any]) -> Iterator[str]:
    """Yield what is printed."""
    before = ""
    for citation in citations:
        if citation.cube != before:
            before = citation.cube
            about = " - ".join(part for part in (citation.title, citation.source) if part)
            yield f"{citation.cube}{f': {about}' if about else ''}"
            for passage in citation.passages:
                yield f'  for "{answer[passage.begin : passage.end]}" ({passage.share:.0%} of its words)'
        if citation.agreement:
            came = f", {citation.release}" if citation.release else ""
            yield f"  under {citation.agreement}{came}"
        if citation.attribution:
            yield f"  {citation.attribution}"
