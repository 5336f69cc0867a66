"""`memporium model ...`: the models, and memory made for them: KV caches and LoRA adapters."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memporium.cli._context import Session, session
from memporium.cli._output import console, line, print_json_line, show_all, show_pairs
from memporium.cli._pages import all_pages
from memporium.inference.v1 import convert_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

app = typer.Typer(name="model", help="Models, KV memory and LoRA memory.", no_args_is_help=True)

Vault = Annotated[str, typer.Argument(help="Vault to keep it in: its id in your organisation, or its full name.")]
Cube = Annotated[list[str], typer.Option(help="Text memory to make it of, by full name; repeat it, in order.")]
Model = Annotated[str, typer.Option(help="Model; empty: the default.")]
Title = Annotated[str, typer.Option(help="Title; empty: made from those of the memories.")]


@app.command(name="list", epilog="Example: memporium model list")
def list_(context: typer.Context) -> None:
    """List the models that the platform runs."""
    run = session(context)
    columns = ["name", "kind", "engine", "default", "loaded", "supports_activation", "supports_parameter"]
    show_all(all_pages(run.client.inference.list_models, "models"), columns, as_json=run.as_json)


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
    _follow(run, responses)


@app.command(epilog="Example: memporium model train-lora notes --cube orgs/acme/vaults/notes/cubes/CUBE --epochs 10")
def train_lora(
    context: typer.Context,
    vault: Vault,
    cube: Cube,
    model: Model = "",
    title: Title = "",
    epochs: Annotated[int, typer.Option(help="Passes over the examples; 0: the default.", min=0, max=50)] = 0,
    rank: Annotated[int, typer.Option(help="Rank of the adapter; 0: the default.", min=0, max=64)] = 0,
) -> None:
    """Train a LoRA adapter on text memories; `generate --mount` puts it into the model."""
    run = session(context)
    responses = run.client.inference.train_parameter(
        parent=run.absolute(vault, "vaults"),
        cubes=cube,
        model=model,
        title=title,
        options=convert_pb2.TrainingOptions(epochs=epochs, rank=rank),
    )
    _follow(run, responses)


@app.command(epilog="Example: memporium model detect answer.txt --agreement orgs/acme/agreements/AGREEMENT")
def detect(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Text that a model may have written; - for standard input.")],
    agreement: Annotated[list[str], typer.Option(help="Agreement to look for; default: all that you provide.")] = [],
    model: Model = "",
) -> None:
    """Say under which of your agreements a text was written, where their terms ask for a watermark in answers."""
    run = session(context)
    text = sys.stdin.read() if str(file) == "-" else file.read_text()
    org = run.parent("")
    known = all_pages(run.client.memstore.list_agreements, "agreements", parent=org)
    provided = agreement or [one.name for one in known if one.provider == org]
    found = run.client.inference.detect_watermark(parent=org, agreements=provided, text=text, model=model)
    columns = ["agreement", "detected", "z", "p_value", "tokens", "preferred_tokens"]
    show_all(found.evidence, columns, as_json=run.as_json)


def _dtype(dtype: KvDtype) -> convert_pb2.KvDtype.ValueType:
    return convert_pb2.KvDtype.Value(f"KV_DTYPE_{dtype.name}")


def _follow(run: Session, responses: Iterable[Any]) -> None:
    """Print a conversion: JSON lines, or its stage while it runs and what was made of it."""
    with console.status("asking") as status:
        for response in responses:
            if run.as_json:
                print_json_line(response)
            elif response.HasField("progress"):
                now = response.progress
                stage = convert_pb2.ConversionStage.Name(now.stage).removeprefix("CONVERSION_STAGE_").lower()
                status.update(f"{stage} {now.completed}/{now.total}")
            else:
                _show_result(response.result)


def _show_result(result: Any) -> None:
    line("[green]made[/green]")
    rows = [("cube", result.cube.name), ("title", result.cube.descriptive.title)]
    if isinstance(result, convert_pb2.TrainParameterResult):
        rows += [
            ("examples", str(result.examples)),
            ("loss", f"{result.loss_before:.3f} before, {result.loss_after:.3f} after"),
        ]
    show_pairs([*rows, ("took", f"{result.compute_time.ToTimedelta().total_seconds():.2f} s")])
