"""Trained networks in; each gate of the miniature beside its control out."""
