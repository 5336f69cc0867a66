"""A LoRA that is really trained and a real KV cache (packaged SmolLM2), and what marks in them cost."""

import asyncio
import warnings
from functools import partial

import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load as tensors_of
from transformers import DynamicCache

from memporium_services.inference.adapters.embedders.minilm_onnx import packaged_file
from memporium_services.inference.adapters.generators.kv_files import pack
from memporium_services.inference.adapters.generators.torch_loading import load_gguf
from memporium_services.inference.adapters.models import _SMOLLM2_FILE, SMOLLM2
from memporium_services.inference.adapters.trainers.peft_lora import PeftTrainer
from memporium_services.inference.domain.trainings import Example, TrainingPlan
from memporium_services.inference.domain.values import KvForm

PLAN = TrainingPlan(epochs=1, max_tokens=100_000)


class Model:
    """The packaged model."""

    def __init__(self, data_dir):
        gguf = packaged_file(*_SMOLLM2_FILE)
        self._load = partial(load_gguf, SMOLLM2, gguf, data_dir / "models", dtype="float32", device="cpu")
        self.loaded = self._load()

    def ids(self, text):
        return torch.tensor([self.loaded.tokenizer(text, add_special_tokens=False)["input_ids"]])

    def adapter(self, texts):
        """Return an adapter trained on texts for an epoch, with its losses."""

        async def train():
            trainer = PeftTrainer(SMOLLM2, self._load)
            try:
                return await trainer.train([Example(text) for text in texts], PLAN, progress=lambda *_: None)
            finally:
                await trainer.close()

        return asyncio.run(train())

    def cache(self, text, tokens):
        """Return the KV cache of a text's first tokens."""
        ids = self.ids(text)[:, :tokens]
        with torch.inference_mode():
            past = self.loaded.model(ids, use_cache=True).past_key_values
        pairs = [(layer.keys[0], layer.values[0]) for layer in past.layers]
        return pack(pairs, ids[0].tolist(), form=KvForm.FLOAT16, fingerprint=self.loaded.fingerprint)[0]

    def loss_with_adapters(self, adapters, texts):
        """Return the mean loss (nats a token) on texts with each adapter."""
        warnings.simplefilter("ignore")
        config = LoraConfig(r=PLAN.rank, lora_alpha=PLAN.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(self._load().model.float(), config)
        model.eval()
        found = []
        for data in adapters:
            set_peft_model_state_dict(model, {name: value.float() for name, value in tensors_of(data).items()})
            found.append(self._loss(model, texts))
        return found

    def _loss(self, model, texts):
        total = count = 0
        with torch.inference_mode():
            for text in texts:
                ids = self.ids(text)[:, :256]
                if ids.shape[1] > 1:
                    total += float(model(ids, labels=ids).loss) * (ids.shape[1] - 1)
                    count += ids.shape[1] - 1
        return total / count

    def loss_behind_caches(self, caches, following):
        """Return the mean loss of a continuation behind each cache."""
        ids = self.ids(following)[:, :256]
        found = []
        for data in caches:
            tensors = tensors_of(data)
            layers = len([name for name in tensors if name.endswith(".keys")])
            pairs = [
                tuple(tensors[f"layers.{at}.{part}"].float().unsqueeze(0) for part in ("keys", "values"))
                for at in range(layers)
            ]
            with torch.inference_mode():
                found.append(float(self.loaded.model(ids, past_key_values=DynamicCache(pairs), labels=ids).loss))
        return found
