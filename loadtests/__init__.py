"""Scripted sessions and benchmarks, and the client that they and the tests use."""
