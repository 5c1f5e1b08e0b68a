"""Tests of pdst and builders. A package, so that test modules can share `tests.releases`."""
