"""What the audience sees: scenes, lines, timings, refusals."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table

from memporium.client import MemporiumError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class UnexpectedError(Exception):
    """Something that the story promises did not happen."""


class Stage:
    """Prints the story and keeps the facts that the summary shows."""

    def __init__(self, console: Console | None = None) -> None:
        """Print on a console."""
        self.console = console or Console(highlight=False)
        self.facts: list[tuple[str, str]] = []
        self._scene = 0

    def scene(self, title: str) -> None:
        """Begin a scene."""
        self._scene += 1
        self.console.print()
        self.console.print(Rule(f"[bold]{self._scene}. {title}[/bold]", align="left"))

    def say(self, text: str) -> None:
        """Print a line of the story; may hold markup."""
        self.console.print(text)

    def ok(self, text: str, took_s: float | None = None) -> None:
        """Print something that was done, with the time it took."""
        took = "" if took_s is None else f"  [dim]{_time(took_s)}[/dim]"
        self.console.print(f"  [green]✓[/green] {text}{took}")

    def fact(self, name: str, value: str) -> None:
        """Keep a figure for the summary."""
        self.facts.append((name, value))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table; cells are taken as plain text."""
        table = Table(*columns, box=None, padding=(0, 2), header_style="bold dim")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print(table)

    @contextmanager
    def timed(self, text: str) -> Iterator[None]:
        """Run the block and print what it did with its time."""
        start = time.perf_counter()
        yield
        self.ok(text, time.perf_counter() - start)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Callable[..., None]]:
        """Show a bar for the block; the function that it gives moves the bar."""
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(label, total=total)

            def move(**change: Any) -> None:
                bar.update(task, **change)

            yield move

    def refused(self, what: str, attempt: Callable[[], Any], *, reasons: Sequence[str]) -> MemporiumError:
        """Show that an attempt is refused for one of these reasons; anything else ends the story.

        Raises:
            UnexpectedError: The attempt went through, or was refused for another reason.
        """
        try:
            attempt()
        except MemporiumError as error:
            if error.reason not in reasons:
                raise UnexpectedError(f"{what}: refused as {error}, expected {' or '.join(reasons)}") from error
            self.console.print(f"  [red]✗[/red] {what}: [bold]{error.reason}[/bold] [dim]{escape(error.message)}[/dim]")
            return error
        raise UnexpectedError(f"{what}: went through, but should have been refused")

    def summary(self) -> None:
        """Print the kept figures."""
        self.console.print()
        self.table(("measured", ""), self.facts)


def drain(responses: Any) -> list[Any]:
    """Read a stream to its end, so that a refusal in it is raised."""
    return list(responses)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
