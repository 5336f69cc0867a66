"""Uses are written together: those of many small vaults in one transaction, those of a large one in several."""

from __future__ import annotations

import pytest

from memporium_services.vault.app.uses import _PER_WRITE, _portions


@pytest.mark.parametrize(
    ("sizes", "writes"),
    [((), 0), ((1,) * 40, 1), ((_PER_WRITE,), 1), ((3, 2 * _PER_WRITE, 5), 3), ((_PER_WRITE, 1), 2)],
)
def test_every_use_is_written_once_in_few_transactions(sizes, writes):
    taken = {
        f"v{number}": {f"c{cube:04}": {"read": cube} for cube in reversed(range(size))}
        for number, size in enumerate(sizes)
    }
    portions = list(_portions(taken))
    assert len(portions) == writes
    assert all(sum(map(len, portion.values())) == _PER_WRITE for portion in portions[:-1])
    written = [(uid, *one) for portion in portions for uid, uses in portion.items() for one in uses.items()]
    assert written == [(uid, *one) for uid, uses in taken.items() for one in sorted(uses.items())]
