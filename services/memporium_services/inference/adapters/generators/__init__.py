"""Generators, one engine a file. torch is imported when a model is first loaded."""
