"""The inference service: embed, generate with mounted memory, and make KV and LoRA memory."""
