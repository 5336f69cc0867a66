"""`memporium forget`: everything about a person, or from a source, out of all vaults of an organisation."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from memporium.cli._context import session
from memporium.cli._output import errors, line, print_json_line, show, show_all
from memporium.vault.v1 import cubes_pb2, vault_service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium.cli._context import Session


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(epilog="Example: memporium forget --subject 'Ada Lovelace' --dry-run")(forget)


def forget(
    context: typer.Context,
    subject: Annotated[
        list[str], typer.Option(help="Everything about this person: owner, entity, persona, speaker; other names too.")
    ] = [],
    mentions: Annotated[bool, typer.Option("--mentions", help="What only mentions the subject goes, too.")] = False,
    source: Annotated[list[str], typer.Option(help="All from this source; may be repeated.")] = [],
    tag: Annotated[list[str], typer.Option(help="Only with all of these labels.")] = [],
    org: Annotated[str, typer.Option("--org", "--organisation", help="Organisation; default: your own.")] = "",
    keep_derived: Annotated[
        bool, typer.Option("--keep-derived", help="Keep what was made from forgotten memories; the receipts name it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Forget nothing; show what would go, by vault.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; nothing can bring it back.")] = False,
    reason: Annotated[str, typer.Option(help="Goes into the audit log.")] = "",
    request_id: Annotated[str, typer.Option(help="Go on with what was cut off, by the id that was told.")] = "",
) -> None:
    """Forget for good in all vaults of an organisation, one after the other. Prints the signed receipt of all."""
    run = session(context)
    if not (subject or source or tag):
        raise typer.BadParameter("say what: --subject, --source or --tag", param_hint="--subject")
    if not (dry_run or yes):
        raise typer.BadParameter("look with --dry-run, then say --yes; nothing can bring it back", param_hint="--yes")
    request = vault_service_pb2.ForgetEverywhereRequest(
        parent=run.parent(org), reason=reason, dry_run=dry_run, request_id=request_id or str(uuid.uuid4())
    )
    if subject:
        request.subject.names.extend(subject)
        request.subject.mentions = mentions
    if source or tag:
        request.filter.sources.extend(source)
        request.filter.tags_all.extend(tag)
    if keep_derived:
        request.derived = cubes_pb2.DERIVED_POLICY_KEEP
    try:
        _follow(run, run.client.vault.forget_everywhere(request), dry_run=dry_run)
    except BaseException:
        if not dry_run:
            hint = f"go on with it by the same command and --request-id {request.request_id}; the sweep does so, too"
            errors.print(hint, markup=False, soft_wrap=True)
        raise


def _follow(run: Session, answers: Iterable[vault_service_pb2.ForgetEverywhereResponse], *, dry_run: bool) -> None:
    candidates: list[cubes_pb2.ForgetCandidate] = []
    stay: list[cubes_pb2.ForgottenElsewhere] = []
    near: set[str] = set()
    for answer in answers:
        if run.as_json:
            print_json_line(answer)
            continue
        candidates += answer.candidates
        stay += [one for one in answer.outcomes if one.refusal]
        near.update(answer.near_duplicates)
        if answer.HasField("receipt"):
            show(answer.receipt, as_json=False, title="forgotten")
    if run.as_json:
        return
    if dry_run:
        show_all(candidates, ["name", "why", "parent", "refusal"], as_json=False)
    tell_what_stays(stay)
    if near:
        line(f"nearly the same, and kept: {', '.join(sorted(near))}")


def tell_what_stays(outcomes: Iterable[cubes_pb2.ForgottenElsewhere]) -> None:
    """Print what was not forgotten in which vault, and what forbids it."""
    for one in outcomes:
        if one.refusal:
            what = f"{one.cubes} memories" if one.cubes else "not looked through"
            line(f"[yellow]stays[/yellow] {one.vault}: {what} ({one.refusal})")
