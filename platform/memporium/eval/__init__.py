"""Measures memory on public benchmarks, end to end over the public API: remember, recall, answer, judge."""
