"""Every setting in force, of the platform and of each service: what `memporium config check` prints."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from pydantic_settings import BaseSettings

from memporium_platform.settings import SERVICES, PlatformSettings, effective


def effective_settings() -> dict[str, str]:
    """Return the settings by environment variable, secrets masked.

    Raises:
        pydantic.ValidationError: One of them is wrong.
    """
    found = effective(PlatformSettings())
    for service in SERVICES:
        name = f"memporium_services.{service}.settings"
        if find_spec(name) is None:
            continue
        for member in vars(import_module(name)).values():
            own = isinstance(member, type) and issubclass(member, BaseSettings) and member.__module__ == name
            if own:
                found |= effective(member())
    return found
