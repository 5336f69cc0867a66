"""Every setting in force, of the platform and of each service, and what is wrong: `memporium config check`."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from memporium_platform.settings import SERVICES, PlatformSettings, effective

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Read by the client and the command line, or by libraries; no settings of a service.
_CLIENT = {
    "MEMPORIUM_ADDRESS",
    "MEMPORIUM_API_KEY",
    "MEMPORIUM_API_KEY_FILE",
    "MEMPORIUM_CA_FILE",
    "MEMPORIUM_CERTIFICATE",
    "MEMPORIUM_PRIVATE_KEY",
}


def settings_classes() -> Iterator[type[BaseSettings]]:
    """Yield the class of the platform's settings, then that of each service."""
    yield PlatformSettings
    for service in SERVICES:
        name = f"memporium_services.{service}.settings"
        if find_spec(name) is None:
            continue
        for member in vars(import_module(name)).values():
            if isinstance(member, type) and issubclass(member, BaseSettings) and member.__module__ == name:
                yield member


def names_of(settings: type[BaseSettings]) -> dict[str, str]:
    """Return the environment variable of each field."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    return {field: f"{prefix}{field}".upper() for field in settings.model_fields}


def effective_settings() -> dict[str, str]:
    """Return the settings by environment variable, secrets masked.

    Raises:
        pydantic.ValidationError: One of them is wrong.
    """
    found: dict[str, str] = {}
    for settings in settings_classes():
        found |= effective(settings())
    return found


def wrong_settings(environment: Mapping[str, str] = os.environ) -> list[tuple[str, str]]:
    """Return each wrong setting by environment variable, with what is wrong; values are not repeated."""
    wrong: list[tuple[str, str]] = []
    known = set(_CLIENT)
    for settings in settings_classes():
        names = names_of(settings)
        known |= set(names.values())
        try:
            settings()
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                name = names.get(str(problem["loc"][0]), str(problem["loc"][0]))
                wrong.append((name, problem["msg"].removeprefix("Value error, ")))
    unknown = sorted(name for name in environment if name.startswith("MEMPORIUM_") and name not in known)
    wrong += [(name, "there is no such setting") for name in unknown]
    return wrong
