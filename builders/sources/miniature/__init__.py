"""The miniature: a drawn world of subjects and places, and everything that is trained on it."""
