"""`memporium eval ...`: measure memory on public benchmarks, end to end."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from memporium.cli._context import session
from memporium.cli._output import errors, line, print_json, show_rows
from memporium.eval import locomo, longmemeval, personamem, prompts
from memporium.eval.choosing import Selection
from memporium.eval.journal import Journal, RunError
from memporium.eval.memories import KINDS, Choice
from memporium.eval.models import EndpointModel, ModelError, PlatformModel
from memporium.eval.report import COLUMNS, result_of
from memporium.eval.running import Plan, Running
from memporium.eval.samples import FormatError
from memporium.sources.json_stream import JsonError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from memporium.cli._context import Session
    from memporium.eval.models import Model
    from memporium.eval.samples import Sample

# Refused questions that are named.
_SHOWN = 3

app = typer.Typer(
    name="eval", help="Measure memory on public benchmarks: remember, recall, answer, judge.", no_args_is_help=True
)

Data = Annotated[Path, typer.Option(help="File of the benchmark.", exists=True, dir_okay=False)]
Run = Annotated[Path, typer.Option(help="Folder of the run; the same command continues a run that was interrupted.")]
NoLlm = Annotated[bool, typer.Option("--no-llm", help="Measure only what is recalled.")]
AnswerModel = Annotated[str, typer.Option(help="Model that answers; of the platform, or the endpoint's own name.")]
AnswerUrl = Annotated[str, typer.Option(help="OpenAI-compatible endpoint that answers, up to /chat/completions.")]
JudgeModel = Annotated[str, typer.Option(help="Model that judges; without one, answers are held against words alone.")]
JudgeUrl = Annotated[str, typer.Option(help="OpenAI-compatible endpoint that judges.")]
KeyVariable = Annotated[str, typer.Option(help="Environment variable that holds the endpoints' API key.")]
Price = Annotated[
    list[str], typer.Option(help="Price of a million tokens read and written: answer=0.15,0.60; may be repeated.")
]
Category = Annotated[list[str], typer.Option(help="Only this kind of question; may be repeated.")]
Samples = Annotated[int, typer.Option(help="Only the first samples; 0: all.", min=0)]
Questions = Annotated[
    int, typer.Option(help="Only so many, drawn evenly from the kinds and samples, the same each time; 0: all.", min=0)
]
MemoryKind = Annotated[
    str,
    typer.Option(
        "--memory",
        help=f"What is answered from: {', '.join(KINDS)}. To compare with: nothing, the best turns by words or by "
        "meaning at the same budget, all turns, the labelled ones.",
    ),
]
Budget = Annotated[int, typer.Option(help="Tokens of the context that questions are answered from.", min=64)]
Limit = Annotated[int, typer.Option(help="Most items recalled.", min=1, max=200)]
Timeout = Annotated[float, typer.Option(help="Seconds that an endpoint has for one answer.", min=1)]
Concurrency = Annotated[int, typer.Option(help="Most calls at once.", min=1, max=256)]
Embedding = Annotated[str, typer.Option(help="Embedding model of the vaults; empty: the platform's default.")]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the vaults; else each is erased when it is done with.")]


@app.command("locomo", epilog="Example: memporium eval locomo --data locomo10.json --run runs/locomo --no-llm")
def run_locomo(
    context: typer.Context, data: Data, run: Run, no_llm: NoLlm = False, answer_model: AnswerModel = "",
    answer_url: AnswerUrl = "", judge_model: JudgeModel = "", judge_url: JudgeUrl = "",
    key_variable: KeyVariable = "OPENAI_API_KEY", price: Price = [], category: Category = [], samples: Samples = 0,
    questions: Questions = 0, memory: MemoryKind = "recall", budget: Budget = 2000, limit: Limit = 20,
    timeout: Timeout = 300, concurrency: Concurrency = 4, embedding_model: Embedding = "", keep: Keep = False,
) -> None:  # fmt: skip
    """LoCoMo: long conversations of two people; questions with labelled evidence."""
    _run(context, "locomo", data, lambda: locomo.load(data), locals())


@app.command(
    "longmemeval", epilog="Example: memporium eval longmemeval --data longmemeval_s.json --run runs/lme --no-llm"
)
def run_longmemeval(
    context: typer.Context, data: Data, run: Run, no_llm: NoLlm = False, answer_model: AnswerModel = "",
    answer_url: AnswerUrl = "", judge_model: JudgeModel = "", judge_url: JudgeUrl = "",
    key_variable: KeyVariable = "OPENAI_API_KEY", price: Price = [], category: Category = [], samples: Samples = 0,
    questions: Questions = 0, memory: MemoryKind = "recall", budget: Budget = 2000, limit: Limit = 20,
    timeout: Timeout = 300, concurrency: Concurrency = 4, embedding_model: Embedding = "", keep: Keep = False,
) -> None:  # fmt: skip
    """LongMemEval: a history of chats with an assistant for each question; evidence by turn and session."""
    _run(context, "longmemeval", data, lambda: longmemeval.load(data), locals())


@app.command(
    "personamem",
    epilog="Example: memporium eval personamem --data questions_32k.csv --contexts contexts_32k.jsonl --run runs/pm "
    "--answer-model big",
)
def run_personamem(
    context: typer.Context, data: Data, run: Run,
    contexts: Annotated[Path, typer.Option(help="File of the shared chats.", exists=True, dir_okay=False)],
    no_llm: NoLlm = False, answer_model: AnswerModel = "", answer_url: AnswerUrl = "",
    judge_model: JudgeModel = "", judge_url: JudgeUrl = "", key_variable: KeyVariable = "OPENAI_API_KEY",
    price: Price = [], category: Category = [], samples: Samples = 0, questions: Questions = 0,
    memory: MemoryKind = "recall", budget: Budget = 2000, limit: Limit = 20, timeout: Timeout = 300,
    concurrency: Concurrency = 4, embedding_model: Embedding = "", keep: Keep = False,
) -> None:  # fmt: skip
    """PersonaMem: chats of a user whose likes change; four replies to choose from."""
    _run(context, "personamem", data, lambda: personamem.load(data, contexts), locals())


def _run(
    context: typer.Context,
    benchmark: str,
    data: Path,
    load: Callable[[], Iterable[Sample]],
    given: dict[str, Any],
) -> None:
    if given["memory"] not in KINDS:
        raise typer.BadParameter(f"must be one of {', '.join(KINDS)}", param_hint="--memory")
    session_ = session(context)
    answerer = None if given["no_llm"] else _model(session_, given, "answer")
    judge = None if given["no_llm"] else _model(session_, given, "judge")
    if answerer is None and not given["no_llm"]:
        raise typer.BadParameter(
            "name a model that answers, or measure without one: --no-llm", param_hint="--answer-model"
        )
    prices = _prices(given["price"])
    settings = _settings(session_, benchmark, data, given, answerer=answerer, judge=judge)
    try:
        with Journal(given["run"], settings) as journal:
            key = journal.get("run", "id") or {"id": uuid.uuid4().hex[:10]}
            journal.put("run", "id", key)
            plan = Plan(
                parent=session_.org,
                prefix=f"eval-{key['id']}",
                answerer=answerer,
                judge=judge,
                memory=Choice(given["memory"], budget_tokens=given["budget"], limit=given["limit"]),
                concurrency=given["concurrency"],
                embedding_model=given["embedding_model"],
                keep=given["keep"],
                progress=lambda text: errors.print(f"[dim]{escape(text)}[/dim]", soft_wrap=True),
            )
            running = Running(session_.client, journal, plan)
            wanted = frozenset(one.strip() for one in given["category"])
            running.run(Selection(wanted, samples=given["samples"], questions=given["questions"]).of(load))
            result = result_of(journal, benchmark=benchmark, prices=prices, complete=not running.refused)
            journal.finish(result)
    except (RunError, FormatError, JsonError) as error:
        raise typer.BadParameter(str(error), param_hint="--run" if isinstance(error, RunError) else "--data") from None
    except ModelError as error:
        errors.print(f"[red]stopped[/red] {escape(str(error))}; the same command goes on from here", soft_wrap=True)
        raise typer.Exit(1) from None
    _show(session_, result, given["run"])
    if running.refused:
        some = "; ".join(f"{name}: {why}" for name, why in list(running.refused.items())[:_SHOWN])
        told = f"{len(running.refused)} questions were refused ({escape(some)}); the same command asks them again"
        errors.print(f"[yellow]incomplete[/yellow] {told}", soft_wrap=True)
        raise typer.Exit(1)


def _model(run: Session, given: dict[str, Any], role: str) -> Model | None:
    name, url = given[f"{role}_model"], given[f"{role}_url"]
    if not url:
        return PlatformModel(run.client, name) if name else None
    if not name:
        raise typer.BadParameter("an endpoint needs the name of its model", param_hint=f"--{role}-model")
    try:
        return EndpointModel(url, name, api_key=os.environ.get(given["key_variable"], ""), timeout_s=given["timeout"])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=f"--{role}-url") from None


def _settings(
    run: Session, benchmark: str, data: Path, given: dict[str, Any], *, answerer: Model | None, judge: Model | None
) -> dict[str, Any]:
    """Return what must stay the same for a run to be continued."""
    return {
        "benchmark": benchmark,
        "data_sha256": _digest(data),
        **({"contexts_sha256": _digest(given["contexts"])} if "contexts" in given else {}),
        "organisation": run.org,
        "answer_model": answerer.name if answerer else "",
        "judge_model": judge.name if judge else "",
        "categories": sorted(given["category"]),
        "samples": given["samples"],
        "questions": given["questions"],
        "memory": given["memory"],
        "budget_tokens": given["budget"],
        "limit": given["limit"],
        "embedding_model": given["embedding_model"],
        "wording": prompts.WORDING,
    }


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _prices(given: list[str]) -> dict[str, tuple[float, float]]:
    found = {}
    for one in given:
        role, _, numbers = one.partition("=")
        try:
            price_in, price_out = (float(number) for number in numbers.split(","))
        except ValueError:
            raise typer.BadParameter(
                "must be ROLE=IN,OUT, for instance answer=0.15,0.60", param_hint="--price"
            ) from None
        if role not in {"answer", "judge"}:
            raise typer.BadParameter("the roles are answer and judge", param_hint="--price")
        found[role] = (price_in, price_out)
    return found


def _show(run: Session, result: dict[str, Any], folder: Path) -> None:
    if run.as_json:
        print_json(result)
        return
    rows = {**result["categories"], "all": result["overall"]}
    shown = [name for name in COLUMNS if any(name in row for row in rows.values())]
    cells = [[category, *(_cell(row.get(name)) for name in shown)] for category, row in rows.items()]
    show_rows(["category", *shown], cells)
    seconds = result["recall_seconds"]
    if seconds:
        kind = result["settings"]["memory"]
        line(f"[dim]{kind} p50 {seconds['p50'] * 1000:.1f} ms, p95 {seconds['p95'] * 1000:.1f} ms; "
             f"{result['context_tokens']:.0f} tokens of context[/dim]")  # fmt: skip
    for role, tokens in result["tokens"].items():
        if tokens["in"]:
            cost = f", cost {result['cost'][role]:.6g}" if role in result["cost"] else ""
            spent = result[f"{role}_seconds"]["p50"]
            line(f"[dim]{role}: {tokens['in']} tokens in, {tokens['out']} out{cost}; p50 {spent:.2f} s[/dim]")
    for held, row in result["by_evidence"].items():
        told = ", ".join(f"{name} {row[name]:.3f}" for name in ("accuracy", "f1") if name in row)
        line(f"[dim]{held} of the evidence in the context: {row['questions']} questions, {told}[/dim]")
    line(f"[dim]{escape(str(folder / 'result.json'))}[/dim]")


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}"
