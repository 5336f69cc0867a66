"""What every group of methods works with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memporium_platform.paging import PageTokens
    from memporium_services.governance.app.service import GovernanceApp


class Methods:
    """The application, and the page tokens."""

    def __init__(self, app: GovernanceApp, tokens: PageTokens) -> None:
        """Serve this application."""
        self._app = app
        self._tokens = tokens
