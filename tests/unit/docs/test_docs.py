"""Documents hold what they promise: links lead somewhere, commands, settings and methods that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from memporium.cli import add_commands
from memporium.client import _methods
from memporium_services.effective_settings import names_of, settings_classes

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS = {name for settings in settings_classes() for name in names_of(settings).values()}
# Of the command line and the client.
CLIENT = {
    "MEMPORIUM_ADDRESS",
    "MEMPORIUM_API_KEY",
    "MEMPORIUM_API_KEY_FILE",
    "MEMPORIUM_CA_FILE",
    "MEMPORIUM_CERTIFICATE",
    "MEMPORIUM_PRIVATE_KEY",
}
ids = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


def anchors(path):
    heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_links_lead_somewhere(path):
    text = re.sub(r"`[^`]*`", "", path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_settings_exist(path):
    found = set(re.findall(r"MEMPORIUM_[A-Z0-9_]*[A-Z0-9]\b(?![_*<])", path.read_text(encoding="utf-8")))
    assert found - SETTINGS - CLIENT == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_commands_exist(path):
    root = get_command(add_commands())
    for text in re.findall(r"`memporium ((?!\.)[^`]+)`", path.read_text(encoding="utf-8")):
        if text.startswith("-"):
            continue
        words = [word for word in text.split() if not word.startswith("-")]
        for first in words[0].split("|"):
            command = root.commands.get(first)
            assert command is not None, text
            inner = getattr(command, "commands", None)
            if inner and len(words) > 1 and re.fullmatch(r"[a-z-]+", words[1]):
                assert words[1] in inner, text


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_methods_exist(path):
    for service, method in re.findall(r"\b([A-Z][a-z]+)Service\.([A-Z]\w+)", path.read_text(encoding="utf-8")):
        assert _methods.snake(method) in _methods.methods(service.lower()), f"{service}Service.{method}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_spelling_is_british(path):
    text = re.sub(r"`[^`]*`|```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"\b(?:organiz\w*|license|licenses|behavior\w*|catalog|color)\b", text, re.IGNORECASE)
    # `to license` is the verb.
    assert [one for one in found if one.lower() != "license"] == []


def test_tests_that_the_threat_model_names_exist():
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:unit|integration|contract|e2e|conformance)(?:/[\w./]+)?)`", text)
    assert named
    for one in named:
        assert (ROOT / "tests" / one).exists(), one


def test_figures_of_the_readme_are_those_of_the_benchmarks():
    def figures(text):
        return set(re.findall(r"(?<![\w.,])(?:\d[\d,]*)?\.?\d+(?![\w])", text))

    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Measured")[1].split("\n## ")[0]
    shown = figures("\n".join(line for line in table.splitlines() if line.startswith("|")))
    assert len(shown) > 30
    assert shown - figures((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")) == set()
