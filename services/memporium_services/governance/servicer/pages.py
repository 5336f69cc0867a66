"""Pages of a list: what a request asks for, and the token of the next page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from memporium_platform.paging import page_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_platform.paging import PageTokens

T = TypeVar("T")


class PagedRequest(Protocol):
    """The fields of every list request."""

    @property
    def page_size(self) -> int:
        """Most items."""
        ...

    @property
    def page_token(self) -> str:
        """Token of the page."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """One page that is asked for: after which key, how many; `limit` is one more, to see whether there is a next."""

    tokens: PageTokens
    scope: str
    after: Any
    size: int

    @property
    def limit(self) -> int:
        """How many to fetch."""
        return self.size + 1

    def cut(self, found: list[T], key: Callable[[T], Any]) -> tuple[list[T], str]:
        """Return the items of the page, and the token of the next one or ""."""
        items = found[: self.size]
        if len(found) <= self.size:
            return items, ""
        return items, self.tokens.seal(self.scope, {"after": key(items[-1])})


def page_of(tokens: PageTokens, request: PagedRequest, *scope: str, first: Any = "") -> Page:
    """Return the page that a request asks for.

    Args:
        tokens: Opens the token.
        request: Has page_size and page_token.
        *scope: What the next request must repeat: the method, the parent, the filter.
        first: Where the first page begins.

    Raises:
        PlatformError: INVALID_FIELD or INVALID_PAGE_TOKEN.
    """
    joined = "\n".join(scope)
    cursor = tokens.open(joined, request.page_token)
    return Page(tokens, joined, cursor.get("after", first), page_size(request.page_size))
