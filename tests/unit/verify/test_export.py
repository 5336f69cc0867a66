"""An export verifies; whatever is done to it is named."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memporium.audit_verify import verify_export
from memporium.verify import export_format as form
from memporium.verify.commitment import canonical, leaf_of
from memporium.verify.merkle import root_of
from memporium.verify.note import SignedTree, VerifierKey, sign_note

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
ORIGIN = "memporium.local/audit/acme"
VERIFIER = str(VerifierKey(ORIGIN, KEY.public_key().public_bytes_raw()))
SIZE = 300


def rows(size=SIZE, *, erased=(), key=KEY, complete=True):
    entries, leaves = [], []
    for number in range(size):
        record = canonical({"action": "vault.cubes.get", "principal": f"p{number}", "purpose": "=1+1"})
        salt = number.to_bytes(32)
        leaves.append(leaf_of(record, salt))
        gone = number in erased
        entries.append(
            form.entry(number, record=b"" if gone else record, salt=b"" if gone else salt, leaf_hash=leaves[-1])
        )
    note = sign_note(SignedTree(ORIGIN, size, root_of(leaves)), name=ORIGIN, key=key)
    return [
        form.header("orgs/acme", size, complete=complete, verifier_key=VERIFIER),
        *entries,
        *(
            form.leaves(start, base64.b64encode(b"".join(leaves[start : start + 256])).decode())
            for start in range(0, size, 256)
        ),
        form.checkpoint(note),
    ]


def as_json(some):
    return b"".join(form.json_line(row) for row in some)


def as_csv(some):
    return form.csv_header() + b"".join(form.csv_line(row) for row in some)


def problems(some, **options):
    return verify_export(as_json(some), **{"verifier_key": VERIFIER, **options}).problems


@pytest.mark.parametrize("encode", [as_json, as_csv])
@pytest.mark.parametrize("size", [0, 1, 256, SIZE])
def test_an_untouched_export_verifies(encode, size):
    report = verify_export(encode(rows(size)), verifier_key=VERIFIER)
    assert report.ok
    assert (report.records, report.tree_size, report.organisation) == (size, size, "orgs/acme")
    assert report.as_dict()["ok"]


def test_erased_records_keep_the_proof():
    report = verify_export(as_json(rows(erased={3, 5})), verifier_key=VERIFIER)
    assert report.ok
    assert report.erased == 2


def test_an_altered_record_is_named():
    some = rows()
    some[8]["record"]["principal"] = "somebody else"
    assert problems(some) == ("row 7 (line 9) was altered",)


def test_an_altered_salt_is_named():
    some = rows()
    some[8]["salt"] = "00" * 32
    assert problems(some) == ("row 7 (line 9) was altered",)


def test_a_record_altered_with_its_listed_hash_is_named():
    some = rows()
    some[8]["record"]["principal"] = "somebody else"
    leaf = leaf_of(canonical(some[8]["record"]), bytes.fromhex(some[8]["salt"]))
    tile = bytearray(base64.b64decode(some[SIZE + 1]["hashes"]))
    tile[7 * 32 : 8 * 32] = leaf
    some[SIZE + 1]["hashes"] = base64.b64encode(tile).decode()
    assert "leaves: the list" in problems(some)[0]


def test_a_deleted_row_is_named():
    some = rows()
    del some[8]
    assert problems(some) == ("row 7 was deleted",)


def test_a_deleted_row_is_named_also_when_the_rest_is_renumbered():
    some = rows(20)
    del some[8]
    for number, row in enumerate(some[1:20]):
        row["index"] = number
    found = problems(some)
    assert "row 7 was deleted" in found
    assert found[0] == "row 8 (line 9) was renumbered: it says 7"


def test_the_last_rows_are_missed():
    some = rows()
    del some[SIZE - 1 : SIZE + 1]
    assert problems(some) == (f"row {SIZE - 2} was deleted", f"row {SIZE - 1} was deleted")


def test_swapped_rows_are_named():
    some = rows()
    some[8], some[9] = some[9], some[8]
    assert problems(some) in (
        ("row 8 was moved: it stands at line 9, out of order",),
        ("row 7 was moved: it stands at line 10, out of order",),
    )


def test_a_moved_row_is_the_only_one_named():
    some = rows()
    some.insert(200, some.pop(8))
    assert problems(some) == ("row 7 was moved: it stands at line 201, out of order",)


def test_a_doubled_row_is_named():
    some = rows()
    some.insert(9, some[8])
    assert problems(some) == ("row 7 is there again at line 10",)


def test_an_invented_row_is_named():
    some = rows()
    some.insert(9, form.entry(8, record=b'{"a":1}', salt=b"s" * 32, leaf_hash=b""))
    assert problems(some) == ("row 8 (line 10) was altered",)


def test_a_row_made_erased_is_no_way_out():
    some = rows()
    some[8] = form.entry(7, record=b"", salt=b"", leaf_hash=b"x" * 32)
    assert problems(some) == ("row 7 (line 9) was altered",)


def test_an_altered_list_is_named_and_the_rows_cleared():
    some = rows()
    some[SIZE + 1]["hashes"] = base64.b64encode(bytes(256 * 32)).decode()
    (found,) = problems(some)
    assert "the rows themselves are those that were signed" in found


def test_another_signer_is_refused():
    other = Ed25519PrivateKey.generate()
    assert "checkpoint" in problems(rows(key=other))[0]
    own = str(VerifierKey(ORIGIN, other.public_key().public_bytes_raw()))
    some = rows(key=other)
    some[0]["verifier_key"] = own
    assert not problems(some, verifier_key="")
    assert not verify_export(as_json(some)).key_given
    assert "checkpoint" in problems(some)[0]


def test_an_older_checkpoint_does_not_cover_the_rows():
    some = rows()
    some[-1] = rows(SIZE - 1)[-1]
    assert problems(some)


def test_the_log_of_another_organisation_is_seen():
    some = rows()
    some[0]["organisation"] = "orgs/other"
    assert "not of orgs/other" in problems(some)[0]


def test_a_filtered_export_is_good_only_where_asked_for():
    some = rows(complete=False)
    del some[8]
    assert "with a filter" in problems(some)[0]
    assert not problems(some, partial=True)
    some[8]["record"]["principal"] = "x"
    assert problems(some, partial=True) == ("row 8 (line 9) was altered",)


def test_many_problems_are_counted():
    some = rows()
    for row in some[1 : SIZE + 1]:
        row["record"]["principal"] = "x"
    assert problems(some)[-1] == "and 200 more"


def test_altered_columns_for_people_are_named():
    data = as_csv(rows()).replace(b",p7,", b",p8,", 1)
    assert verify_export(data, verifier_key=VERIFIER).problems == (
        "the file is malformed: row 7 (line 10) was altered: column principal",
    )


def test_cells_are_no_formulas():
    assert b",'=1+1," in as_csv(rows(1))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"{",
        b"{}",
        b"[]",
        b"{\n{",
        b'{"type":"entry"}',
        b'{"type":"header"}',
        json.dumps({**rows(1)[0], "version": 2}).encode(),
        as_json(rows(1)) + b'{"type":"odd"}',
        as_json(rows(1)) + b'{"type":"entry","index":"x"}',
        as_json(rows(1)) + b'{"type":"entry","index":1,"salt":"zz","record":{}}',
        as_json(rows(1)) + b'{"type":"leaves","hashes":"AAAA"}',
        as_json(rows(1)) + as_json(rows(1)),
        as_json(rows(1))[:40],
        b"[" * 100_000,
        b"{" + b'"a":{' * 100_000,
        as_csv(rows(1))[:-30],
        as_csv(rows(1)).replace(b"header,", b"header,,"),
        b"a,b\r\n",
    ],
)
def test_malformed_files_are_problems_and_no_exceptions(data):
    assert verify_export(data, verifier_key=VERIFIER).problems
