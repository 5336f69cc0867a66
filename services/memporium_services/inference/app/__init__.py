"""What the inference service does, over its ports."""
