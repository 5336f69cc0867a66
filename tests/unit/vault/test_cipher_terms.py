from __future__ import annotations

import base64

from memporium_services.vault.app import cipher as cipher_module
from memporium_services.vault.app.cipher import VaultCipher


def test_terms_are_keyed_the_same_whatever_is_remembered(monkeypatch):
    monkeypatch.setattr(cipher_module, "_CACHES", cipher_module._TermCaches(50))
    ciphers = [VaultCipher(bytes([number]) * 32, f"v{number}") for number in range(6)]
    words = [f"word{number}" for number in range(30)]
    first = [cipher.terms(words) for cipher in ciphers]
    assert [cipher.terms(words) for cipher in ciphers] == first
    assert [VaultCipher(bytes([number]) * 32, f"v{number}").terms(words) for number in range(6)] == first
    assert len({one for terms in first for one in terms}) == 180
    assert sum(len(cipher._terms.kept) for cipher in ciphers) <= 80


def test_keyed_forms_are_base_32_in_lower_case():
    for ten in (bytes(10), b"\xff" * 10, bytes(range(10)), bytes(range(250, 240, -1))):
        assert cipher_module._base32(ten) == base64.b32encode(ten).decode().lower()
    assert set(VaultCipher(bytes(32), "v").token("tag", "word")) <= set("abcdefghijklmnopqrstuvwxyz234567")
