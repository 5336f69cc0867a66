"""Lists that come in pages, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PAGE = 1000


def all_pages(call: Callable[..., Any], field: str, **request: Any) -> Iterator[Any]:
    """Yield what a list method returns in this field, from every page."""
    token = ""
    while True:
        response = call(page_size=_PAGE, page_token=token, **request)
        yield from getattr(response, field)
        token = response.next_page_token
        if not token:
            return
