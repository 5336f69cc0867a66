"""Settings of the reader service (`MEMPORIUM_READER_*`)."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ReaderSettings(BaseSettings):
    """Bounds of what one call takes in, and how deep recollection looks. Frozen."""

    model_config = SettingsConfigDict(env_prefix="MEMPORIUM_READER_", frozen=True, extra="ignore")

    max_turns: int = Field(5_000, ge=1, description="Turns of one Remember call.")
    max_turn_chars: int = Field(32_768, ge=1, description="Characters of one turn.")
    max_session_chars: int = Field(8 << 20, ge=1, description="Characters of all turns of one Remember call.")
    max_document_chars: int = Field(16 << 20, ge=1, description="Characters of one document.")
    max_documents: int = Field(10_000, ge=1, description="Documents of one RememberDocuments call.")
    batch_facts: int = Field(
        256, ge=1, description="Facts of one batch that the vault stores; bounds memory, and the time to embed it."
    )
    segment_gap_s: float = Field(1_800.0, gt=0, description="Silence that ends an episode.")
    segment_turns: int = Field(24, ge=2, description="Most turns of an episode.")
    candidates: int = Field(128, ge=20, le=1000, description="Least statements that are weighed for a question.")
    default_limit: int = Field(20, ge=1, le=200, description="Items of a recollection that names no limit.")
    default_budget_tokens: int = Field(4_096, ge=64, description="Tokens of a context that names no budget.")
    scene_threshold: float = Field(
        0.5, ge=0, le=1, description="Cosine to a scene's centre above which an episode joins it, where none is given."
    )
    consolidate_episodes: int = Field(
        2_000, ge=1, description="Episodes that one Consolidate call takes up; bounds its time and memory."
    )
    scene_gap_days: float = Field(
        7.0, gt=0, le=36_500, description="Days between an episode and a scene that it may join, where none are given."
    )
    narrator_model: str = Field(
        "", description="Generator that retells dialogue and extracts facts; empty: rules alone, without any model."
    )
    narrator_prose: bool = Field(
        True, description="Whether the narrator also retells the episode in prose; facts alone take half of the time."
    )
    narrator_turns: int = Field(
        10, ge=1, description="Most turns that the narrator is shown at once; small models lose count of more."
    )
    narrator_max_tokens: int = Field(1_024, ge=16, description="Most tokens that the narrator writes at once.")
    narrator_timeout_s: float = Field(60.0, gt=0, description="Longest wait for one answer of the narrator.")
    narrator_call_s: float = Field(
        600.0, gt=0, description="Longest wait for the narrator in one Remember call; the rest is left to rules."
    )
    narrator_at_once: int = Field(
        4,
        ge=1,
        le=64,
        description="Episodes of one call that the narrator works on, until one fails beside others.",
    )
    rewriter_model: str = Field(
        "", description="Generator that rewrites questions whose first search does not suffice; empty: rules alone."
    )
    rewriter_max_tokens: int = Field(192, ge=16, description="Most tokens that the rewriter writes.")
    rewriter_timeout_s: float = Field(3.0, gt=0, description="Longest wait for the rewriter in one Recall.")
    judge_model: str = Field(
        "",
        description="Generator that says how likely a question is behind each of the best statements; empty: none.",
    )
    judge_statements: int = Field(15, ge=2, le=100, description="Statements of a question that the judge is shown.")
    judge_timeout_s: float = Field(4.0, gt=0, description="Longest wait for the judge in one Recall.")
