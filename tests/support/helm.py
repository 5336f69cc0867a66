"""Renders the part of Helm's template language that the chart uses, for tests without Helm.

Blocks `if`, `else`, `range`, `define` and `end`; variables; `include`; the functions in `_FUNCTIONS`; pipes. What is not
known raises, so a template that uses more has to extend this first.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TAG = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\(|\)|\||:=|,|[^\s()|,]+')
_SPACE = " \t\r\n"


class TemplateError(Exception):
    """The template uses what is not known here, or names a value that is not there."""


@dataclass
class Node:
    """A text, an action, or a block with its branches: `(head, body)` each."""

    kind: str
    text: str = ""
    branches: list[tuple[str, list[Node]]] | None = None


def parse(source: str) -> list[Node]:
    """Return the nodes of a template."""
    parts: list[tuple[str, str]] = []
    place, trim = 0, False
    for tag in _TAG.finditer(source):
        text = source[place : tag.start()]
        parts.append(("text", (text.lstrip(_SPACE) if trim else text)))
        if tag[1]:
            parts[-1] = ("text", parts[-1][1].rstrip(_SPACE))
        parts.append(("tag", tag[2]))
        place, trim = tag.end(), bool(tag[3])
    parts.append(("text", source[place:].lstrip(_SPACE) if trim else source[place:]))
    stream = iter(parts)
    nodes, end = _body(stream)
    if end:
        raise TemplateError(f"unexpected {end}")
    return nodes


def _body(parts: Iterator[tuple[str, str]]) -> tuple[list[Node], str]:
    nodes: list[Node] = []
    for kind, text in parts:
        word = text.split(" ", 1)[0]
        if kind == "text":
            nodes.append(Node("text", text))
        elif word in {"end", "else"}:
            return nodes, text
        elif word in {"if", "range", "define"}:
            branches, head = [], text
            while head != "end":
                body, following = _body(parts)
                branches.append((head, body))
                head = following
                if not head:
                    raise TemplateError(f"{text} has no end")
            nodes.append(Node("block", word, branches))
        else:
            nodes.append(Node("action", text))
    return nodes, ""


class Chart:
    """Templates with their definitions, and what they see."""

    def __init__(self, sources: Mapping[str, str], *, values: Mapping[str, Any], release: str = "test") -> None:
        self._root = {"Values": values, "Release": {"Name": release}}
        self._templates = {name: parse(source) for name, source in sources.items()}
        self._defined: dict[str, list[Node]] = {}
        for nodes in self._templates.values():
            for node in nodes:
                if node.text == "define" and node.branches:
                    head, body = node.branches[0]
                    self._defined[json.loads(head.split(" ", 1)[1])] = body

    def render(self, name: str) -> str:
        """Return the text of a template."""
        return self._run(self._templates[name], self._root, {"$": self._root})

    def _run(self, nodes: list[Node], dot: Any, variables: dict[str, Any]) -> str:
        out = []
        for node in nodes:
            if node.kind == "text":
                out.append(node.text)
            elif node.kind == "block":
                out.append(self._block(node, dot, variables))
            elif node.text.startswith("/*"):
                continue
            elif ":=" in node.text:
                name, _, expression = node.text.partition(":=")
                variables[name.strip()] = self._value(expression, dot, variables)
            else:
                value = self._value(node.text, dot, variables)
                out.append("" if value is None else str(value).replace("True", "true").replace("False", "false"))
        return "".join(out)

    def _block(self, node: Node, dot: Any, variables: dict[str, Any]) -> str:
        branches = node.branches or []
        head, body = branches[0]
        if node.text == "define":
            return ""
        if node.text == "if":
            for condition, inner in branches:
                expression = re.sub(r"^(else if|if|else)\s*", "", condition)
                if not expression or self._value(expression, dot, variables):
                    return self._run(inner, dot, variables)
            return ""
        names, _, expression = head.removeprefix("range").partition(":=")
        key, value = (one.strip() for one in names.split(","))
        found = self._value(expression, dot, variables)
        return "".join(
            self._run(body, item, {**variables, key: name, value: item}) for name, item in sorted(found.items())
        )

    def _value(self, expression: str, dot: Any, variables: dict[str, Any]) -> Any:
        tokens = _TOKEN.findall(expression)
        value, used = self._pipe(tokens, dot, variables)
        if used != len(tokens):
            raise TemplateError(expression)
        return value

    def _pipe(self, tokens: list[str], dot: Any, variables: dict[str, Any]) -> tuple[Any, int]:
        place, piped = 0, []
        while True:
            words: list[Any] = []
            start = place
            while place < len(tokens) and tokens[place] not in {"|", ")"}:
                if tokens[place] == "(":
                    value, used = self._pipe(tokens[place + 1 :], dot, variables)
                    words.append(value)
                    place += used + 2
                    continue
                is_function = place == start and tokens[place] in _FUNCTIONS | {"include"}
                words.append(tokens[place] if is_function else self._term(tokens[place], dot, variables))
                place += 1
            words += piped
            if tokens[start] in _FUNCTIONS | {"include"}:
                piped = [self._call(words[0], words[1:])]
            elif len(words) == 1:
                piped = words
            else:
                raise TemplateError(" ".join(tokens))
            if place >= len(tokens) or tokens[place] == ")":
                return piped[0], place
            place += 1

    def _call(self, name: str, arguments: list[Any]) -> Any:
        if name == "include":
            template, dot = arguments
            return self._run(self._defined[template], dot, {"$": dot})
        return _FUNCTIONS_BY_NAME[name](*arguments)

    def _term(self, token: str, dot: Any, variables: dict[str, Any]) -> Any:
        if token.startswith('"'):
            return json.loads(token)
        if token.isdecimal():
            return int(token)
        head, *path = token.split(".")
        if head and head not in variables:
            raise TemplateError(f"{token} is not known")
        value = variables[head] if head else dot
        for index, part in enumerate(path):
            if not part:
                continue
            last = index == len(path) - 1
            if not isinstance(value, dict) or (part not in value and not (last and head in _MAY_LACK)):
                raise TemplateError(f"{token}: there is no {part}")
            value = value.get(part)
        return value


def _nindent(width: int, text: str) -> str:
    return "\n" + "\n".join(" " * width + line if line else line for line in str(text).splitlines())


# Fields of an entry of `services` are optional.
_MAY_LACK = {"$options"}
_FUNCTIONS_BY_NAME = {
    "quote": lambda value: json.dumps("" if value is None else str(value)),
    "upper": str.upper,
    "title": str.title,
    "nindent": _nindent,
    "toYaml": lambda value: yaml.safe_dump(value, default_flow_style=False).rstrip("\n"),
    "gt": lambda one, other: one > other,
    "int": int,
    "ne": lambda one, other: one != other,
    "not": lambda value: not value,
    "dict": lambda *pairs: dict(zip(pairs[::2], pairs[1::2], strict=True)),
}
_FUNCTIONS = set(_FUNCTIONS_BY_NAME)
