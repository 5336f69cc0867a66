"""The fast form of a record's committed bytes is the one that verifiers know."""

from hypothesis import example, given
from hypothesis import strategies as st

from memporium.verify.commitment import canonical
from memporium_services.governance.adapters.canonical import canonical_bytes

_TEXT = st.text(st.characters(exclude_categories=("Cs",)))
_VALUES = _TEXT | st.integers() | st.dictionaries(_TEXT, _TEXT, max_size=4)


@given(st.dictionaries(_TEXT, _VALUES, max_size=8))
@example(
    {
        "\u2028": "\u2029",
        "\x7f": '\x00\x1f\b\f\n\r\t"\\/',
        "é": "\U0001f600",
        "z": -(1 << 80),
        "\uffff": "",
        "\U00010000": "",
    }
)
def test_the_bytes_are_those_of_the_definition(record):
    assert canonical_bytes(record) == canonical(record)
