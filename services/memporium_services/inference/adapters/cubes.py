"""Cubes of the protos as the memories of the domain, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium.common.v1 import digest_pb2
from memporium.cube.v1 import adapter_pb2, cube_pb2
from memporium_services.inference.convert.reports import report_of, report_to
from memporium_services.inference.domain.memory import (
    ActivationRef,
    BlobRef,
    Claim,
    Form,
    Licence,
    NewMemory,
    NewText,
    ParameterRef,
    UsedMemory,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium.vault.v1 import cubes_pb2

_FORMS = {"plaintext": Form.PLAINTEXT, "activation": Form.ACTIVATION, "parameter": Form.PARAMETER}


def to_memory(cube: cube_pb2.Cube, used: Iterable[cubes_pb2.UsedLicence] = ()) -> UsedMemory:
    """Return a cube as a memory.

    Args:
        cube: The cube; without its payload it counts as a plaintext without text.
        used: Licences of the use that gave it out: they count also where they hold for the vault and not for the cube.
    """
    payload = cube.payload
    text, facts = _text(payload.plaintext)
    stated = payload.plaintext.mem_cell.facts
    return UsedMemory(
        name=cube.name,
        form=_FORMS.get(payload.WhichOneof("form") or "", Form.PLAINTEXT),
        version=cube.behavioural.version,
        title=cube.descriptive.title or payload.plaintext.document.title,
        source=cube.descriptive.source,
        text=text,
        facts=facts,
        claims=tuple(
            Claim(claim.subject, claim.attribute, claim.value, fact.text, claim.ended)
            for fact in stated
            for claim in fact.claims
        ),
        blob=_blob(payload),
        activation=_activation(payload.activation) if payload.HasField("activation") else None,
        parameter=_parameter(payload.parameter) if payload.HasField("parameter") else None,
        licences=_licences(cube, used),
        sensitivity_labels=tuple(cube.governance.sensitivity_labels),
        derivation=cube.behavioural.lineage.derivation,
        parents=tuple(cube.behavioural.lineage.parents),
        tags=tuple(cube.descriptive.tags),
        record=cube,
    )


def _licences(cube: cube_pb2.Cube, used: Iterable[cubes_pb2.UsedLicence]) -> tuple[Licence, ...]:
    found = {
        licence.agreement: Licence(licence.agreement, licence.terms_sha256, licence.release, licence.attribution)
        for licence in cube.governance.licences
    }
    for use in used:
        if use.cubes and cube.name not in use.cubes:
            continue
        own = found.get(use.agreement, Licence(use.agreement, use.terms_sha256))
        # The attribution as it is asked for now, not as it was when the memory came.
        found[use.agreement] = replace(
            own, attribution=use.attribution or own.attribution, duties=tuple(use.duties), use_id=use.use_id
        )
    return tuple(found.values())


def _text(plaintext: cube_pb2.Plaintext) -> tuple[str, tuple[str, ...]]:
    """Return the text that a model reads, and the statements of a MemCell."""
    match plaintext.WhichOneof("content"):
        case "mem_cell":
            cell = plaintext.mem_cell
            facts = tuple(fact.text for fact in cell.facts if fact.text.strip())
            expected = [f"Expected: {foresight.text}" for foresight in cell.foresight if foresight.text.strip()]
            # Facts say what the episode says, self-contained: both would cost the tokens twice.
            return "\n".join([*(facts or (cell.episode,)), *expected]), facts
        case "document":
            return plaintext.document.text, ()
        case "record":
            return plaintext.record.json, ()
        case _:
            return "", ()


def _blob(payload: cube_pb2.Payload) -> BlobRef | None:
    form = payload.WhichOneof("form")
    if form not in {"activation", "parameter"}:
        return None
    digest: digest_pb2.Digest = getattr(payload, form).blob
    return BlobRef(digest.sha256, digest.size_bytes) if digest.sha256 else None


def _activation(activation: cube_pb2.Activation) -> ActivationRef:
    return ActivationRef(
        model_fingerprint=activation.model_fingerprint,
        tokenizer_fingerprint=activation.tokenizer_fingerprint,
        token_ids_sha256=activation.token_ids_sha256,
        token_count=activation.token_count,
        layers=activation.layers,
        heads=activation.heads,
        head_size=activation.head_size,
        dtype=activation.dtype,
        position_base=activation.position_base,
        relative_error=activation.relative_error,
    )


def _parameter(parameter: cube_pb2.Parameter) -> ParameterRef:
    return ParameterRef(
        base_model_fingerprint=parameter.base_model_fingerprint,
        rank=parameter.rank,
        alpha=parameter.alpha,
        target_modules=tuple(parameter.target_modules),
        source_cubes=tuple(parameter.source_cubes),
        report=report_of(parameter.report),
    )


def to_text_cube(new: NewText) -> cube_pb2.Cube:
    """Return the cube of statements that were asked out of an adapter."""
    report = new.report
    cube = _cube_of(new, origin=cube_pb2.ORIGIN_CONVERSION, parents=(report.adapter,))
    cube.descriptive.semantic_type = cube_pb2.SEMANTIC_TYPE_FACT
    cube.payload.plaintext.mem_cell.CopyFrom(
        cube_pb2.MemCell(
            episode=" ".join(text for text, _ in new.facts),
            facts=[
                cube_pb2.AtomicFact(
                    text=text,
                    claims=[cube_pb2.Claim(subject=claim.subject, attribute=claim.attribute, value=claim.value)]
                    if claim is not None
                    else (),
                    extracted_by=new.model,
                )
                for text, claim in new.facts
            ],
            formation=cube_pb2.Formation(path=cube_pb2.FORMATION_PATH_PROBE, model=new.model),
            probe=adapter_pb2.ProbeReport(
                adapter=report.adapter,
                asked=report.asked,
                kept=report.kept,
                min_confidence=report.min_confidence,
                source_facts=report.source_facts,
                recovered=report.recovered,
                precision=report.precision,
            ),
        )
    )
    return cube


def to_cube(new: NewMemory) -> cube_pb2.Cube:
    """Return the cube of a new memory; the vault fills in what is its own."""
    trained = new.form is Form.PARAMETER
    origin = cube_pb2.ORIGIN_FINE_TUNING if trained else cube_pb2.ORIGIN_CONVERSION
    cube = _cube_of(new, origin=origin, parents=new.parents)
    digest = digest_pb2.Digest(sha256=new.digest.sha256, size_bytes=new.digest.size_bytes)
    if new.activation is not None:
        what = new.activation
        cube.payload.activation.CopyFrom(
            cube_pb2.Activation(
                model_fingerprint=what.model_fingerprint,
                tokenizer_fingerprint=what.tokenizer_fingerprint,
                token_ids_sha256=what.token_ids_sha256,
                token_count=what.token_count,
                layers=what.layers,
                heads=what.heads,
                head_size=what.head_size,
                dtype=what.dtype,
                position_base=what.position_base,
                relative_error=what.relative_error,
                blob=digest,
                source_cubes=new.parents,
            )
        )
    if new.parameter is not None:
        cube.payload.parameter.CopyFrom(
            cube_pb2.Parameter(
                base_model_fingerprint=new.parameter.base_model_fingerprint,
                rank=new.parameter.rank,
                alpha=new.parameter.alpha,
                target_modules=new.parameter.target_modules,
                blob=digest,
                source_cubes=new.parameter.source_cubes or new.parents,
                report=report_to(new.parameter.report),
            )
        )
    return cube


def _cube_of(new: NewMemory | NewText, *, origin: cube_pb2.Origin.ValueType, parents: Iterable[str]) -> cube_pb2.Cube:
    """Return a cube without payload: titles, labels, licences and lineage."""
    return cube_pb2.Cube(
        descriptive=cube_pb2.Descriptive(origin=origin, source=new.derivation, title=new.title, tags=new.tags),
        governance=cube_pb2.Governance(
            sensitivity_labels=new.sensitivity_labels,
            licences=[
                cube_pb2.LicenceReference(
                    agreement=licence.agreement,
                    terms_sha256=licence.terms_sha256,
                    release=licence.release,
                    attribution=licence.attribution,
                )
                for licence in new.licences
            ],
        ),
        behavioural=cube_pb2.Behavioural(
            lineage=cube_pb2.Lineage(parents=parents, derivation=new.derivation, reason=new.reason)
        ),
    )
