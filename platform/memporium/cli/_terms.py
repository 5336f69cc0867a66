"""Licence terms for the command line: a template's name, a file in the templates' language, or a file in the API's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer
import yaml
from google.protobuf.json_format import ParseDict, ParseError

from memporium.cli._output import print_json, show_rows
from memporium.memstore.v1 import terms_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

# What only terms in the shape of the API's `LicenceTerms` hold.
_MARK = "LICENCE_ACTION_"
# What stands in every ODRL policy in JSON-LD.
_ODRL = "http://www.w3.org/ns/odrl"


def read(given: str) -> terms_pb2.LicenceTerms:
    """Return the terms of a template by name, or of a file.

    Raises:
        typer.BadParameter: It is neither, or does not say licence terms; the message names the place.
    """
    from memporium_platform.errors import PlatformError
    from memporium_platform.licence.odrl_read import terms_from_odrl
    from memporium_platform.licence.templates import terms_from

    path = Path(given)
    known = _templates()
    if given in known and not path.exists():
        path = known[given]
    try:
        text = path.read_text(encoding="utf-8")
        if _ODRL in text:
            return terms_from_odrl(text)
        parsed = yaml.safe_load(text)
        if _MARK in text:
            return ParseDict(parsed, terms_pb2.LicenceTerms())
        return terms_from(parsed)
    except (FileNotFoundError, IsADirectoryError):
        names = ", ".join(known)
        raise _wrong(f"{given} is neither a file nor a template; templates are {names}") from None
    except OSError as error:
        raise _wrong(f"{given}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise _wrong(f"{given} is not YAML") from None
    except (ParseError, TypeError, AttributeError) as error:
        raise _wrong(f"{given}: {error}") from None
    except PlatformError as error:
        places = "; ".join(f"{one.field}: {one.description}" for one in error.fields)
        raise _wrong(f"{given}: {places or error.message}") from None


def show_templates(name: str, *, as_json: bool) -> None:
    """Print the templates' names, titles and purposes, or the text of one."""
    known = _templates()
    if name:
        if name not in known:
            raise typer.BadParameter(f"there is no template {name}; there are {', '.join(known)}")
        sys.stdout.write(known[name].read_text(encoding="utf-8"))
        return
    rows = [(one, path.read_text(encoding="utf-8")) for one, path in known.items()]
    shown = [(one, str(yaml.safe_load(text)["title"]), _first_comment(text)) for one, text in rows]
    if as_json:
        print_json([{"name": one, "title": title, "purpose": purpose} for one, title, purpose in shown])
    else:
        show_rows(("template", "title", "for"), shown)


def _templates() -> Mapping[str, Path]:
    from memporium_platform.authz.roles import policies_dir

    return {path.stem: path for path in sorted((policies_dir() / "licences").glob("*.yaml"))}


def _first_comment(text: str) -> str:
    return text.partition("\n")[0].removeprefix("#").strip()


def _wrong(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint="--terms")
