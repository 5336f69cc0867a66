"""`memporium model ...`: the models, and memory made for them: KV caches and LoRA adapters."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from memporium.cli._adapters import Cube, Model, Title, Vault, follow, merge_lora, probe_lora, train_lora
from memporium.cli._context import session
from memporium.cli._files import text_of
from memporium.cli._output import line, print_json, show_all
from memporium.cli._pages import all_pages
from memporium.inference.v1 import convert_pb2, generate_pb2, score_pb2

app = typer.Typer(name="model", help="Models, KV memory and LoRA memory.", no_args_is_help=True)

app.command(epilog="Example: memporium model train-lora notes --cube orgs/acme/vaults/notes/cubes/CUBE --epochs 10")(
    train_lora
)
app.command(epilog="Example: memporium model merge-lora notes --cube LORA --cube OTHER-LORA --method ties")(merge_lora)
app.command(epilog="Example: memporium model probe-lora notes --cube LORA --topic Ada/home")(probe_lora)


@app.command(name="list", epilog="Example: memporium model list")
def list_(context: typer.Context) -> None:
    """List the models that the platform runs."""
    run = session(context)
    columns = ["name", "kind", "engine", "default", "loaded", "supports_activation", "supports_parameter"]
    show_all(all_pages(run.client.inference.list_models, "models"), columns, as_json=run.as_json)


@app.command(epilog="Example: memporium model score 'Milk stands in the fridge.' 'Where is the milk?' 'Who is Ada?'")
def score(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="What is said to the model.")],
    answer: Annotated[list[str], typer.Argument(help="Texts that it may answer.")],
    system: Annotated[str, typer.Option(help="Instructions that come before the message.")] = "",
    model: Model = "",
) -> None:
    """Say how likely a model is to give each of several answers, in nats a token, the likeliest first."""
    run = session(context)
    turns = [generate_pb2.Message(role=generate_pb2.ROLE_USER, content=message)]
    if system:
        turns.insert(0, generate_pb2.Message(role=generate_pb2.ROLE_SYSTEM, content=system))
    texts = [score_pb2.TextToScore(messages=turns, continuation=one) for one in answer]
    found = run.client.inference.score_texts(model=model, texts=texts).scores
    rows = [
        {"answer": text, "nats": one.log_probability / max(1, one.token_count), "tokens": one.token_count}
        for text, one in zip(answer, found, strict=True)
    ]
    rows.sort(key=lambda row: -float(row["nats"]))
    if run.as_json:
        print_json(rows)
        return
    for row in rows:
        line(f"[bold]{row['nats']:7.3f}[/bold]  {escape(str(row['answer']))}  [dim]{row['tokens']} tokens[/dim]")


class KvDtype(StrEnum):
    """How the numbers of a KV cache are kept."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"
    FLOAT8_E4M3 = "float8-e4m3"


@app.command(epilog="Example: memporium model build-kv notes --cube orgs/acme/vaults/notes/cubes/CUBE --dtype int8")
def build_kv(
    context: typer.Context,
    vault: Vault,
    cube: Cube,
    model: Model = "",
    title: Title = "",
    dtype: Annotated[KvDtype, typer.Option(help="How its numbers are kept; 8 bits halve the size.")] = KvDtype.FLOAT16,
) -> None:
    """Encode text memories into a KV cache that `generate --mount` uses instead of reading them again."""
    run = session(context)
    responses = run.client.inference.build_activation(
        parent=run.absolute(vault, "vaults"), cubes=cube, model=model, title=title, dtype=_dtype(dtype)
    )
    follow(run, responses)


@app.command(epilog="Example: memporium model detect answer.txt --agreement orgs/acme/agreements/AGREEMENT")
def detect(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Text that a model may have written; - for standard input.")],
    agreement: Annotated[list[str], typer.Option(help="Agreement to look for; default: all that you provide.")] = [],
    model: Model = "",
) -> None:
    """Say under which of your agreements a text was written, where their terms ask for a watermark in answers."""
    run = session(context)
    text = sys.stdin.read() if str(file) == "-" else text_of(file, "FILE")
    org = run.parent("")
    known = all_pages(run.client.memstore.list_agreements, "agreements", parent=org)
    provided = agreement or [one.name for one in known if one.provider == org]
    found = run.client.inference.detect_watermark(parent=org, agreements=provided, text=text, model=model)
    columns = ["agreement", "detected", "z", "p_value", "tokens", "preferred_tokens"]
    show_all(found.evidence, columns, as_json=run.as_json)


def _dtype(dtype: KvDtype) -> convert_pb2.KvDtype.ValueType:
    return convert_pb2.KvDtype.Value(f"KV_DTYPE_{dtype.name}")
