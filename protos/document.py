"""Write `docs/api.md`, the API reference, from the comments of the protos; `--check` says whether it is current."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2
from lint import ROOT, describe

from memporium.common.v1 import access_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT = ROOT.parent / "docs" / "api.md"
_SERVICE, _METHOD = 6, 2
_KINDS = {
    (False, False): "unary",
    (False, True): "server stream",
    (True, False): "client stream",
    (True, True): "both",
}
_HEAD = """# API reference

Made from the protos by `python protos/document.py`; messages and fields are documented there, under
`protos/memporium/<service>/v1`, and by reflection. Every call but health and reflection carries
`authorization: Bearer <API key or JWT>`. Actions are those of roles and policies; a mutation takes a `request_id` and
is answered once. Errors carry one `google.rpc.ErrorInfo` whose reasons are listed at the end.
"""


def _comments(file: descriptor_pb2.FileDescriptorProto) -> dict[tuple[int, ...], str]:
    places = file.source_code_info.location
    return {tuple(place.path): " ".join(place.leading_comments.split()) for place in places}


def _services(files: descriptor_pb2.FileDescriptorSet) -> Iterator[str]:
    for file in files.file:
        comments = _comments(file)
        for index, service in enumerate(file.service):
            yield f"\n## {service.name}\n\n`{file.package}`: {comments.get((_SERVICE, index), '')}\n"
            yield "\n| method | kind | action | |\n|---|---|---|---|\n"
            for number, method in enumerate(service.method):
                access = method.options.Extensions[access_pb2.access]
                kind = _KINDS[method.client_streaming, method.server_streaming]
                text = comments.get((_SERVICE, index, _METHOD, number), "").replace("|", "\\|")
                inner = access.domain == access_pb2.ACCESS_DOMAIN_INTERNAL
                action = f"`{access.action}`" + (" (between services)" if inner else "")
                yield f"| `{method.name}` | {kind} | {action} | {text} |\n"


def _reasons(files: descriptor_pb2.FileDescriptorSet) -> Iterator[str]:
    yield "\n## Reasons of errors\n\n| reason | status, meaning, metadata |\n|---|---|\n"
    for file in files.file:
        for index, enum in enumerate(file.enum_type):
            if enum.name != "ErrorReason":
                continue
            comments = _comments(file)
            for number, value in enumerate(enum.value):
                if value.number:
                    text = comments.get((5, index, 2, number), "")
                    yield f"| `{value.name.removeprefix('ERROR_REASON_')}` | {text} |\n"


def document() -> str:
    """Return the text of the reference."""
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary) / "present.binpb"
        describe(target, source_info=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())
    return _HEAD + "".join(_services(files)) + "".join(_reasons(files))


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where the reference is stale")
    text = document()
    if parser.parse_args().check:
        if not OUT.exists() or OUT.read_text() != text:
            sys.stderr.write("stale: docs/api.md; run python protos/document.py\n")
            return 1
        return 0
    OUT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
