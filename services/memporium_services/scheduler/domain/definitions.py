"""Pipelines from the JSON values of their message, and those that come with the platform. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium_services.scheduler.domain.pipelines import Input, Pipeline, Step
from memporium_services.scheduler.domain.runs import KeptPipeline
from memporium_services.scheduler.domain.step_kinds import STEP_KINDS, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPE = "VALUE_TYPE_"


def pipeline_of(definition: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline that a message describes; a step without a kind keeps none."""
    inputs = tuple(
        Input(
            name=one.get("name", ""),
            type=Type(one.get("type", "VALUE_TYPE_TEXT").removeprefix(_TYPE)),
            description=one.get("description", ""),
            default=one.get("default"),
        )
        for one in definition.get("inputs", ())
    )
    return Pipeline(inputs, tuple(_step(one) for one in definition.get("steps", ())))


def _step(one: Mapping[str, Any]) -> Step:
    kind = next((name for name in STEP_KINDS if name in one), "")
    return Step(one.get("id", ""), kind, one.get(kind, {}), tuple(one.get("after", ())))


def shipped(org: str) -> dict[str, KeptPipeline]:
    """Return the pipelines that come with the platform, by id."""
    return {
        id_: KeptPipeline(org, id_, definition, "services/scheduler", None, shipped=True)
        for id_, definition in _SHIPPED.items()
    }


_TURNS = {"name": "turns", "type": "VALUE_TYPE_TURNS", "description": "The dialogue to remember."}
_SHIPPED: Mapping[str, Mapping[str, Any]] = {
    "remember": {
        "description": "Forms memory from a dialogue, and gathers it into scenes and profiles, as one.",
        "inputs": [_TURNS, {"name": "session", "description": "The session.", "default": ""}],
        "steps": [
            {"id": "form", "remember": {"turns": "${inputs.turns}", "session": "${inputs.session}"}},
            {"id": "gather", "consolidate": {"episodes": ["${steps.form.cubes}"]}},
        ],
    },
    "consolidate": {
        "description": "Brings scenes and profiles up to date with the episodes of a vault, as one.",
        "inputs": [{"name": "persona", "description": "Only this role stream; empty: every one.", "default": ""}],
        "steps": [{"id": "gather", "consolidate": {"persona": "${inputs.persona}"}}],
    },
    "retrieve-augment-update-archive": {
        "description": "Recalls what is known on a question, has a model sum it up, keeps that, archives the rest.",
        "inputs": [
            {"name": "question", "description": "What to sum up."},
            {"name": "model", "description": "Generator; empty: the default; none: without a model.", "default": ""},
            {"name": "title", "description": "Title of the summary.", "default": "Summary"},
        ],
        "steps": [
            {"id": "retrieve", "retrieve": {"query": "${inputs.question}", "limit": 10, "least": 1}},
            {
                "id": "augment",
                "augment": {
                    "prompt": "Sum up what these memories say on: ${inputs.question}\n\n${steps.retrieve.context}",
                    "model": "${inputs.model}",
                    "max_tokens": 256,
                },
            },
            {
                "id": "update",
                "update": {
                    "title": "${inputs.title}",
                    "text": "${steps.augment.text}",
                    "tags": ["summary"],
                    "parents": ["${steps.retrieve.cubes}"],
                },
            },
            {"id": "archive", "archive": {"cubes": ["${steps.retrieve.cubes}"]}, "after": ["update"]},
        ],
    },
}
