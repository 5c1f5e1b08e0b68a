"""In: the maker's photos, manifests, open-licence searches. Out: candidates with their credits.

`ingest` makes a stored photo of a file, `own` and `manifest` say which files there are, `openverse`
and `commons` search and write manifests, `clusters` proposes which found photos show one subject.
There is no downloader for sites whose terms forbid automated collecting (Unsplash, Pexels).
"""
