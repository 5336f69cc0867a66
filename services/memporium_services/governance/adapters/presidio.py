"""Presidio's pattern recognisers, without a language model and without the network; loaded at the first use."""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING, Any

from memporium_services.governance.adapters.pii_hints import possible
from memporium_services.governance.domain.pii import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

_LANGUAGE = "en"
_LOWER_CASE = "memporium_lower_case"
# The analyser walks a whole text once for each finding, so a long text is read through windows; what a cut divides
# lies whole in the overlap.
_WINDOW_CHARS, _OVERLAP_CHARS = 2000, 300
# What each kind that is looked for has at least one of.
_HINT = re.compile(r"[\d@.:]")
# A number that is only digits is a phone number where a word beside it says so: this score then rises by 0.35.
_BARE_NUMBER_SCORE = 0.3
# In the place of a text's words, which are told apart only where they may matter: that takes longest of all.
_LATER = object()
_WRITTEN_NUMBER = re.compile(r"\+|\d\D+\d")


class PresidioDetector:
    """Implements `PiiDetector`."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._lock = threading.Lock()
        self._engine: Any = None

    def detect(self, text: str, entities: Sequence[str]) -> list[Finding]:
        """Return all that may be personal data of these kinds."""
        engine, scores = self._loaded(), dict[tuple[str, int, int], float]()
        for offset in range(0, max(1, len(text) - _OVERLAP_CHARS), _WINDOW_CHARS - _OVERLAP_CHARS):
            window = text[offset : offset + _WINDOW_CHARS]
            wanted = possible(window, list(entities)) if _HINT.search(window) else []
            if not wanted:
                continue
            for found in engine.analyze(text=window, language=_LANGUAGE, entities=wanted, nlp_artifacts=_LATER):
                place = (found.entity_type, offset + found.start, offset + found.end)
                scores[place] = max(scores.get(place, 0.0), float(found.score))
        return [Finding(*place, score) for place, score in scores.items()]

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
    from spacy.language import Language

    @Language.component(_LOWER_CASE)  # type: ignore[untyped-decorator]  # spaCy has no type hints
    def lower_case(doc: Any) -> Any:
        # Words of context are compared with lemmas, which a blank pipeline leaves empty.
        for token in doc:
            token.lemma_ = token.lower_
        return doc

    class BlankEngine(SpacyNlpEngine):  # type: ignore[misc]  # Presidio has no type hints
        """Words alone."""

        def load(self) -> None:
            words = spacy.blank(_LANGUAGE)
            words.add_pipe(_LOWER_CASE)
            self.nlp = {_LANGUAGE: words}

    class LateEngine(AnalyzerEngine):  # type: ignore[misc]  # Presidio has no type hints
        """Tells words apart only where one of them may raise the score of something that was found."""

        def _enhance_using_context(
            self, text: str, raw_results: list[Any], nlp_artifacts: Any, recognizers: list[Any], context: Any = None
        ) -> list[Any]:
            lower, found = text.lower(), {one.recognition_metadata["recognizer_identifier"] for one in raw_results}
            words = (word for one in recognizers if one.id in found for word in one.context or ())
            if not any(word.lower() in lower for word in words):
                return raw_results
            artifacts = self.nlp_engine.process_text(text, _LANGUAGE) if nlp_artifacts is _LATER else nlp_artifacts
            return list(super()._enhance_using_context(text, raw_results, artifacts, recognizers, context))

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    registry = RecognizerRegistry(recognizers=_recognisers(), supported_languages=[_LANGUAGE])
    blank = BlankEngine(models=[{"lang_code": _LANGUAGE, "model_name": "blank"}])
    return LateEngine(registry=registry, nlp_engine=blank, supported_languages=[_LANGUAGE])


def _recognisers() -> list[Any]:
    import tldextract
    from presidio_analyzer import predefined_recognizers as shipped

    # The list of public suffixes that the package carries; by default it would ask the network.
    suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmailRecognizer(shipped.EmailRecognizer):  # type: ignore[misc]  # Presidio has no type hints
        """E-mail addresses whose domain has a public suffix."""

        def validate_result(self, pattern_text: str) -> bool:
            return bool(suffixes(pattern_text).top_domain_under_public_suffix)

    class WrittenPhoneRecognizer(shipped.PhoneRecognizer):  # type: ignore[misc]  # Presidio has no type hints
        """Phone numbers; a bare run of digits, such as 2147483647 in a manual, is less sure than a grouped one."""

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
            found = super().analyze(text, entities, nlp_artifacts)
            for one in found:
                if not _WRITTEN_NUMBER.search(text[one.start : one.end]):
                    one.score = _BARE_NUMBER_SCORE
            return list(found)

    return [
        OfflineEmailRecognizer(),
        WrittenPhoneRecognizer(),
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
