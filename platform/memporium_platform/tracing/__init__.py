"""Marks that tell the copies of one memory apart, and the detectors that name who leaked one.

Pure: no clock, no I/O. What is random comes from keys, so the same recipient always gets the same copy.
"""
