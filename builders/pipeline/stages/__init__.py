"""In: a workspace. Out: rows. One module a stage, named after it."""
