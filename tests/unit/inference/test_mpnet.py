"""The embedder whose weights come in pieces: unpacking, refusing what is not known, and running a small one."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile

import numpy as np
import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.embedders import mpnet_torch
from memporium_services.inference.adapters.embedders.mpnet_torch import MpnetEmbedder
from memporium_services.inference.adapters.embedders.split_archive import joined, unpack

FILES = {"one/a.txt": b"alpha" * 1_000, "one/b.txt": b"beta", "one/other.txt": b"left alone"}


def known(*names):
    return {name: (hashlib.sha256(FILES[name]).hexdigest(), len(FILES[name])) for name in names}


@pytest.fixture
def pieces(tmp_path):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    data = whole.getvalue()
    size = len(data) // 3 + 1
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"piece-{number}")
        paths[-1].write_bytes(data[number * size : (number + 1) * size])
    return paths


def test_members_that_are_asked_for_are_unpacked(pieces, tmp_path):
    unpack(pieces, tmp_path / "models" / "one", known("one/a.txt", "one/b.txt"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "models" / "one").iterdir()} == {
        "a.txt": FILES["one/a.txt"],
        "b.txt": FILES["one/b.txt"],
    }
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["one"]


@pytest.mark.parametrize(
    "files",
    [
        {"one/a.txt": ("0" * 64, 10_000)},
        {"one/a.txt": (hashlib.sha256(FILES["one/a.txt"]).hexdigest(), 4_999)},
        {"one/missing.txt": ("0" * 64, 10)},
    ],
)
def test_what_is_not_the_known_file_is_refused_and_nothing_is_left(pieces, tmp_path, files):
    with pytest.raises(ValueError, match=r"not|longer"):
        unpack(pieces, tmp_path / "models" / "one", known("one/b.txt") | files)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_cut_archive_is_refused(pieces, tmp_path):
    with pytest.raises(ValueError, match="not the archive"):
        unpack(pieces[:2], tmp_path / "one", known("one/a.txt"))


def test_pieces_are_found_in_packages_whose_names_no_import_could_write(tmp_path, monkeypatch):
    for number in (1, 2):
        folder = tmp_path / f"some-model-part_00{number}" / "input"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").write_text("raise AssertionError('imported')")
        (folder / f"m.zip.00{number}").write_bytes(b"x")
    monkeypatch.syspath_prepend(str(tmp_path))
    packages = ["some-model-part_001", "some-model-part_002"]
    pieces = [("input", "m.zip.001"), ("input", "m.zip.002")]
    assert joined(packages, pieces) == [
        tmp_path / name / "input" / piece[1] for name, piece in zip(packages, pieces, strict=True)
    ]
    assert joined([*packages, "some-model-part_003"], [*pieces, ("input", "m.zip.003")]) is None
    assert joined(packages, pieces[::-1]) is None


def test_without_files_it_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setattr(mpnet_torch, "_PACKAGES", tuple(f"no-such-part_{number}" for number in range(5)))
    embedder = MpnetEmbedder(cache=tmp_path)
    assert not embedder.available
    with pytest.raises(PlatformError) as caught:
        embedder.load()
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A tiny random model in the same files."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("mpnet")
    words = ["<s>", "<pad>", "</s>", "<unk>", *"the cat sat on mat dog ran".split()]  # noqa: SIM905
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(7)
    config = transformers.MPNetConfig(
        vocab_size=len(words), hidden_size=768, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.MPNetModel(config).save_pretrained(folder)
    return folder


def test_vectors_are_the_same_in_any_batch(small, tmp_path):
    embedder = MpnetEmbedder(cache=tmp_path, folder=small)
    assert embedder.available
    texts = ["the cat", "", "the cat sat on the mat " * 90, "dog ran"]
    together = embedder.embed(texts)
    alone = [embedder.embed([text])[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert np.allclose(one.vector, other.vector, atol=1e-5)
    norms = [float(np.linalg.norm(one.vector)) for one in together]
    assert np.allclose(norms, [1, 0, 1, 1], atol=1e-5)
    assert [one.truncated for one in together] == [False, False, True, False]
    assert embedder.count_tokens(["the cat sat"]) == [3]
    assert embedder.info.loaded
    assert len(embedder.info.fingerprint) == 64
    assert "torch" in sys.modules


def test_a_folder_that_holds_no_model_is_unavailable(tmp_path):
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(PlatformError) as caught:
        MpnetEmbedder(cache=tmp_path, folder=tmp_path).embed(["text"])
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE
