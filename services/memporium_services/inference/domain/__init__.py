"""Pure rules of inference: prompts, examples, stop texts, values. No I/O, no clock, no model."""
