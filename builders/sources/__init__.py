"""In: one kind of material a module. Out: the rows of a release, and what its card says of them."""
