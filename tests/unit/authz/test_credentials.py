from datetime import UTC, datetime

import pytest

from memporium_platform.authz.credentials import find_credential, format_api_key, hash_secret
from memporium_platform.authz.entries import Credential
from memporium_platform.errors import PlatformError, Reason

NOW = int(datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1_000_000)
GOOD = Credential("k1", "orgs/acme/principals/ann", hash_secret("a_secret-with_lines"))


def reason(text, credential=GOOD):
    with pytest.raises(PlatformError) as caught:
        find_credential(text, {credential.key_id: credential}, now_us=NOW)
    return caught.value.reason


def test_the_right_secret_is_accepted():
    assert find_credential(format_api_key("k1", "a_secret-with_lines"), {"k1": GOOD}, now_us=NOW) is GOOD


@pytest.mark.parametrize("text", ["mpk_k1_other", "mpk_k2_a_secret-with_lines", "mpk_", "mpk_k1", "mpk_k1_", "mpk__"])
def test_anything_else_is_refused_alike(text):
    assert reason(text) is Reason.CREDENTIAL_INVALID


def test_revoked_and_expired_are_told_to_the_holder_alone():
    revoked = Credential("k1", GOOD.principal, GOOD.secret_sha256, revoked=True)
    expired = Credential("k1", GOOD.principal, GOOD.secret_sha256, expire_us=NOW)
    right, wrong = format_api_key("k1", "a_secret-with_lines"), format_api_key("k1", "guess")
    assert reason(right, revoked) is Reason.CREDENTIAL_REVOKED
    assert reason(right, expired) is Reason.CREDENTIAL_EXPIRED
    assert reason(wrong, revoked) is Reason.CREDENTIAL_INVALID
    assert reason(wrong, expired) is Reason.CREDENTIAL_INVALID
