"""Scenes in; the miniature's trained networks out, stage by stage, each resumable and gated."""
