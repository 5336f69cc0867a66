"""What the audience sees: scenes, lines, timings, refusals."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table

from memporium.client import MemporiumError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


# Columns between the parts of a table.
_GAP = 2


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
        self._line("[green]✓[/green]", f"{text}{took}")

    def no(self, what: str, error: MemporiumError) -> None:
        """Print something that was refused."""
        self._line("[red]✗[/red]", f"{what}: [bold]{error.reason}[/bold] [dim]{escape(error.message)}[/dim]")

    def fact(self, name: str, value: str) -> None:
        """Keep a figure for the summary."""
        self.facts.append((name, value))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> None:
        """Print a table; cells are taken as plain text, and the last column is cut where the terminal ends.

        Args:
            columns: Heads.
            rows: Cells by row.
            numbers: Columns that are set flush right.
        """
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold dim")
        widths = [max(cell_len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
        # Where a table is too wide, rich would rather narrow the short columns away.
        widths[-1] = min(widths[-1], max(_GAP, self.console.width - _GAP - sum(widths[:-1]) - _GAP * len(widths)))
        for index, column in enumerate(columns):
            justify: Literal["left", "right"] = "right" if index in numbers else "left"
            table.add_column(column, width=widths[index], justify=justify, no_wrap=True, overflow="ellipsis")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print(Padding(table, (0, 0, 0, _GAP)))

    def _line(self, mark: str, text: str) -> None:
        """Print a marked line; where it is too long, it goes on beneath its text."""
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_row(f"  {mark}", text)
        self.console.print(line)

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
            self.no(what, error)
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
