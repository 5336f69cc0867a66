"""Which vLLM answers: servers that ignore `cache_salt` without a word must not be given the memory of several tenants.

Completions take `cache_salt` since 0.10.0 and give tokens back (`return_token_ids`) since 0.10.2; earlier ones ignore
what they do not know. `/version` is asked once, beside `/v1`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import structlog

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

OLDEST = (0, 10, 2)
_RELEASE = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(.*)", re.ASCII | re.DOTALL)
# What builds from a checkout without tags call themselves.
_UNTAGGED = (0, 1, 0)
_MOST_BYTES = 4096
_log = structlog.get_logger("memporium.inference")


async def check_version(client: httpx.AsyncClient, *, model: str) -> bool:
    """Ask a server for its version; return whether it answered at all, so that it need not be asked again.

    A server that hides `/version`, or tells none that can be read, is taken as it is, and that is logged.

    Raises:
        PlatformError: MODEL_UNAVAILABLE: it is older than what keeps tenants apart.
    """
    try:
        response = await client.get(client.base_url.join("../version"))
        told = response.json()["version"] if response.is_success and len(response.content) <= _MOST_BYTES else ""
    except httpx.HTTPError:
        return False
    except (ValueError, KeyError, TypeError):
        told = ""
    release = released(told) if isinstance(told, str) else None
    if release is None:
        _log.warning("inference.vllm_version_unknown", model=model, oldest=_dotted(OLDEST))
    elif release < OLDEST:
        raise PlatformError(
            Reason.MODEL_UNAVAILABLE,
            f"the server of {model} is vLLM {_dotted(release)}, which does not keep tenants' prefix caches apart: "
            f"{_dotted(OLDEST)} or later is needed",
            metadata={"model": model},
        )
    return True


def released(told: str) -> tuple[int, int, int] | None:
    """Return the numbers of a version; None where it tells none, as builds of an untagged checkout do."""
    found = _RELEASE.fullmatch(told.strip())
    if found is None:
        return None
    numbers = (int(found[1]), int(found[2]), int(found[3] or 0))
    return None if "dev" in found[4] and numbers == _UNTAGGED else numbers


def _dotted(numbers: Iterable[int]) -> str:
    return ".".join(map(str, numbers))
