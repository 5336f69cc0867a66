"""Presidio's pattern recognisers, without a language model and without the network; loaded at the first use."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from memporium_services.governance.domain.pii import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

_LANGUAGE = "en"


class PresidioDetector:
    """Implements `PiiDetector`."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._lock = threading.Lock()
        self._engine: Any = None

    def detect(self, text: str, entities: Sequence[str]) -> list[Finding]:
        """Return all that may be personal data of these kinds."""
        results = self._loaded().analyze(text=text, language=_LANGUAGE, entities=list(entities))
        return [Finding(found.entity_type, found.start, found.end, float(found.score)) for found in results]

    def _loaded(self) -> Any:
        with self._lock:
            if self._engine is None:
                self._engine = _engine()
            return self._engine


def _engine() -> Any:
    """Return an analyser of patterns with words of context, but no model: nothing is fetched from anywhere."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class BlankEngine(SpacyNlpEngine):  # type: ignore[misc]  # Presidio has no type hints
        """Words alone."""

        def load(self) -> None:
            self.nlp = {_LANGUAGE: spacy.blank(_LANGUAGE)}

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    registry = RecognizerRegistry(recognizers=_recognisers(), supported_languages=[_LANGUAGE])
    blank = BlankEngine(models=[{"lang_code": _LANGUAGE, "model_name": "blank"}])
    return AnalyzerEngine(registry=registry, nlp_engine=blank, supported_languages=[_LANGUAGE])


def _recognisers() -> list[Any]:
    import tldextract
    from presidio_analyzer import predefined_recognizers as shipped

    # The list of public suffixes that the package carries; by default it would ask the network.
    suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmailRecognizer(shipped.EmailRecognizer):  # type: ignore[misc]  # Presidio has no type hints
        """E-mail addresses whose domain has a public suffix."""

        def validate_result(self, pattern_text: str) -> bool:
            return bool(suffixes(pattern_text).top_domain_under_public_suffix)

    return [
        OfflineEmailRecognizer(),
        shipped.PhoneRecognizer(),
        shipped.CreditCardRecognizer(),
        shipped.IbanRecognizer(),
        shipped.UsSsnRecognizer(),
        shipped.UsPassportRecognizer(),
        shipped.UsLicenseRecognizer(),
        shipped.UsItinRecognizer(),
        shipped.UsBankRecognizer(),
        shipped.NhsRecognizer(),
        shipped.MedicalLicenseRecognizer(),
        shipped.CryptoRecognizer(),
        shipped.IpRecognizer(),
        shipped.MacAddressRecognizer(),
        shipped.UrlRecognizer(),
    ]
