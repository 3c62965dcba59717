"""Benchmarks. Each script prints one line of JSON."""
