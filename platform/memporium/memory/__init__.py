"""A small memory with the methods that users of mem0 know: `from memporium.memory import Memory`."""

from memporium.memory.facade import Memory

__all__ = ["Memory"]
