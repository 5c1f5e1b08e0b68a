"""Experiments about the benchmark itself: is what it measures what it says?"""
