"""In: the maker's photos, manifests, open-licence searches. Out: candidates with their credits.

`ingest` makes a stored photo of a file (`heic` of a phone's), `own` and `manifest` say which files
there are, `series` which photos were taken together; `openverse` and `commons` search and write
manifests, `likeness` proposes which found photos show one subject.
There is no downloader for sites whose terms forbid automated collecting (Unsplash, Pexels).
"""
