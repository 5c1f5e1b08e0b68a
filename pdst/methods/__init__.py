"""Generators that come with PDST, one file each."""
