from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.call import Call, Principal, PrincipalKind, in_call
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.paging import PageTokens, page_size

TOKENS = PageTokens(bytes(32))
JSON = st.dictionaries(st.text(max_size=8), st.one_of(st.text(max_size=20), st.integers(-(2**53), 2**53), st.none()))


@given(scope=st.text(max_size=30), cursor=JSON)
def test_a_token_opens_in_its_scope(scope: str, cursor: dict[str, object]) -> None:
    assert TOKENS.open(scope, TOKENS.seal(scope, cursor)) == cursor


@given(token=st.text(min_size=1, max_size=200))
def test_made_up_tokens_are_refused(token: str) -> None:
    with pytest.raises(PlatformError) as caught:
        TOKENS.open("scope", token)
    assert caught.value.reason is Reason.INVALID_PAGE_TOKEN


def test_a_token_is_bound_to_scope_and_key_and_cannot_be_changed() -> None:
    token = TOKENS.seal("list a", {"after": "x"})
    changed = token[:-2] + ("AA" if not token.endswith("AA") else "BB")
    for tokens, scope, text in (
        (TOKENS, "list b", token),
        (PageTokens(b"\1" * 32), "list a", token),
        (TOKENS, "list a", changed),
        (TOKENS, "list a", "A" * 5000),
    ):
        with pytest.raises(PlatformError) as caught:
            tokens.open(scope, text)
        assert caught.value.reason is Reason.INVALID_PAGE_TOKEN


def test_a_token_tells_nothing_and_an_empty_one_begins() -> None:
    assert "secret" not in TOKENS.seal("s", {"after": "secret"})
    assert TOKENS.seal("s", {"a": 1}) != TOKENS.seal("s", {"a": 1})
    assert TOKENS.open("s", "") == {}


def test_page_sizes() -> None:
    assert (page_size(0), page_size(7), page_size(5000)) == (50, 7, 1000)
    assert page_size(0, default=10, maximum=5) == 5
    with pytest.raises(PlatformError) as caught:
        page_size(-1)
    assert caught.value.fields[0].field == "page_size"


def test_a_token_is_good_for_its_principal_and_method_alone() -> None:
    tokens = PageTokens(bytes(32))
    ann, bob = (Principal(f"orgs/acme/principals/{name}", "acme", PrincipalKind.USER) for name in ("ann", "bob"))
    calls = [Call(ann, "/s/List"), Call(bob, "/s/List"), Call(ann, "/s/Search")]
    with in_call(calls[0]):
        token = tokens.seal("scope", {"after": 1})
        assert tokens.open("scope", token) == {"after": 1}
    for call in calls[1:]:
        with in_call(call), pytest.raises(PlatformError) as caught:
            tokens.open("scope", token)
        assert caught.value.reason is Reason.INVALID_PAGE_TOKEN
