"""The rules of one domain, found by object: an exact dictionary, and a trie for patterns.

A table is never changed once it is in a snapshot: `with_rule` and `without_rule` copy the path that they touch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.authz.entries import EVERYBODY, Rule
from memporium_platform.authz.patterns import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Action pattern -> subject -> rules.
Actions = dict[str, dict[str, tuple[Rule, ...]]]

# Where rules about everybody are kept: a deny meets every caller, an allow only principals of the organisation.
DENY_EVERYBODY = "!*"
ALLOW_EVERYBODY = "*"


class _Node:
    """A segment of a pattern: its children, and the rules of patterns that end here."""

    __slots__ = ("below", "children", "here")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.here: Actions = {}
        self.below: Actions = {}

    def copy(self) -> _Node:
        node = _Node()
        node.children, node.here, node.below = self.children, self.here, self.below
        return node


class RuleTable:
    """The rules of one domain."""

    __slots__ = ("_everything", "_exact", "_root")

    def __init__(self) -> None:
        """Hold no rule."""
        self._exact: dict[str, Actions] = {}
        self._everything: Actions = {}
        self._root = _Node()

    @classmethod
    def build(cls, rules: Iterable[Rule]) -> RuleTable:
        """Return the table of many rules."""
        table = cls()
        for rule in rules:
            _put(table._place(rule.object), rule)
        return table

    def matching(self, name: str) -> list[Actions]:
        """Return the rules whose object matches `name`, by action and subject."""
        found: list[Actions] = []
        if self._everything:
            found.append(self._everything)
        exact = self._exact.get(name)
        if exact is not None:
            found.append(exact)
        if self._root.children:
            self._walk(name, found)
        return found

    def with_rule(self, rule: Rule) -> RuleTable:
        """Return a table with the rule too."""
        table, actions = self._copy_path(rule.object)
        _put(actions, rule)
        return table

    def without_rule(self, rule: Rule) -> RuleTable:
        """Return a table without the rule."""
        table, actions = self._copy_path(rule.object)
        by_subject = actions.get(rule.action, {})
        key = _subject_key(rule)
        rest = tuple(other for other in by_subject.get(key, ()) if other.id != rule.id)
        if rest:
            by_subject[key] = rest
        else:
            by_subject.pop(key, None)
            if not by_subject:
                actions.pop(rule.action, None)
        return table

    def _place(self, pattern: str) -> Actions:
        """Return where rules of this object pattern lie, made where missing."""
        if pattern == EVERYTHING:
            return self._everything
        if EVERYTHING not in pattern:
            return self._exact.setdefault(pattern, {})
        node, ends_open, parts = self._root, *_split(pattern)
        for part in parts:
            child = node.children.get(part)
            if child is None:
                child = node.children[part] = _Node()
            node = child
        return node.below if ends_open else node.here

    def _copy_path(self, pattern: str) -> tuple[RuleTable, Actions]:
        """Return a table that shares all but the path to this pattern, and the rules at its end, free to change."""
        table = RuleTable()
        table._exact, table._everything, table._root = self._exact, self._everything, self._root
        if pattern == EVERYTHING:
            table._everything = _copy_actions(self._everything)
            return table, table._everything
        if EVERYTHING not in pattern:
            table._exact = dict(self._exact)
            actions = table._exact[pattern] = _copy_actions(self._exact.get(pattern, {}))
            return table, actions
        ends_open, parts = _split(pattern)
        node = table._root = self._root.copy()
        for part in parts:
            child = node.children.get(part)
            copied = _Node() if child is None else child.copy()
            node.children = {**node.children, part: copied}
            node = copied
        if ends_open:
            node.below = _copy_actions(node.below)
            return table, node.below
        node.here = _copy_actions(node.here)
        return table, node.here

    def _walk(self, name: str, found: list[Actions]) -> None:
        parts = name.split("/")
        last = len(parts) - 1
        nodes = [self._root]
        for position, part in enumerate(parts):
            following = []
            for node in nodes:
                for key in (part, EVERYTHING):
                    child = node.children.get(key)
                    if child is None:
                        continue
                    if position == last:
                        if child.here:
                            found.append(child.here)
                    else:
                        if child.below:
                            found.append(child.below)
                        following.append(child)
            if not following:
                return
            nodes = following


def _split(pattern: str) -> tuple[bool, list[str]]:
    """Return whether a pattern ends in `/*`, and its segments before that."""
    parts = pattern.split("/")
    return (True, parts[:-1]) if parts[-1] == EVERYTHING else (False, parts)


def _subject_key(rule: Rule) -> str:
    if rule.subject != EVERYBODY:
        return rule.subject
    return ALLOW_EVERYBODY if rule.allow else DENY_EVERYBODY


def _put(actions: Actions, rule: Rule) -> None:
    by_subject = actions.get(rule.action)
    if by_subject is None:
        by_subject = actions[rule.action] = {}
    key = _subject_key(rule)
    by_subject[key] = (*by_subject.get(key, ()), rule)


def _copy_actions(actions: Actions) -> Actions:
    return {action: dict(by_subject) for action, by_subject in actions.items()}
