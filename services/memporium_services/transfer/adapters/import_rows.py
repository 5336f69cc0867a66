"""The tables of what was imported and what was seen; every method runs within a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from memporium_platform.bundle.freshness import Seen
from memporium_platform.storage.sql.times import from_us, to_us
from memporium_platform.storage.sql.upsert import upsert
from memporium_services.transfer.adapters.tables import imports, seen
from memporium_services.transfer.domain.bundles import Import

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PUBLISHER = ""
_KEY = ("org", "publisher", "trust", "line")


class SqlImportRows:
    """Imports, and the highest numbers met of each publisher."""

    def imported(self, conn: Connection, vault: str) -> Import | None:
        """Return what a vault was last filled from, or None."""
        row = conn.execute(select(imports).where(imports.c.vault == vault)).mappings().one_or_none()
        if row is None:
            return None
        values: dict[str, Any] = dict(row)
        values["import_time"] = from_us(values.pop("import_us"))
        return Import(**values)

    def record(self, conn: Connection, done: Import) -> None:
        """Note what a vault was filled from."""
        row: dict[str, Any] = {
            field: getattr(done, field) for field in done.__dataclass_fields__ if field != "import_time"
        }
        row["import_us"] = to_us(done.import_time)
        conn.execute(upsert(imports, row, index_elements=["vault"], set_=[name for name in row if name != "vault"]))

    def seen(self, conn: Connection, org: str, publisher: str, *, trust: str, line: str) -> Seen:
        """Return the highest numbers that an organisation has met of a publisher and its line."""
        of_publisher = (seen.c.org == org) & (seen.c.publisher == publisher) & (seen.c.trust == trust)
        own = conn.execute(select(seen).where(of_publisher & (seen.c.line == _PUBLISHER))).one_or_none()
        number = conn.execute(select(seen.c.number).where(of_publisher & (seen.c.line == line))).scalar()
        if own is None:
            return Seen(line=number or 0)
        return Seen(own.signed_time, own.snapshot, own.revocation_epoch, number or 0)

    def remember(self, conn: Connection, org: str, publisher: str, *, trust: str, line: str, new: Seen) -> None:
        """Raise the numbers that were met; none is ever lowered."""
        old = self.seen(conn, org, publisher, trust=trust, line=line)
        key = {"org": org, "publisher": publisher, "trust": trust}
        numbers = {
            "signed_time": max(old.signed_time, new.signed_time),
            "snapshot": max(old.snapshot, new.snapshot),
            "revocation_epoch": max(old.revocation_epoch, new.revocation_epoch),
        }
        own = key | numbers | {"line": _PUBLISHER, "number": 0}
        of_line = key | dict.fromkeys(numbers, 0) | {"line": line, "number": max(old.line, new.line)}
        conn.execute(upsert(seen, own, index_elements=_KEY, set_=list(numbers)))
        conn.execute(upsert(seen, of_line, index_elements=_KEY, set_=["number"]))
