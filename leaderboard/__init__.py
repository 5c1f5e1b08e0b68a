"""The board's side: accept -> verify -> rank -> render. All but `verify` works without torch.

A board is a folder or any fsspec URL:

board.json                  title, and the keys that it takes (none: any of a release at hand)
entries/<digest>.parquet    submissions, as they came; never changed
log/*.parquet               every acceptance, refusal, withdrawal and check, with its reason
accepted/*.parquet          one row an accepted entry
results/*.parquet           one row an entry and metric, computed from the entry's rows by pdst
board.parquet               ranks; made from the others by `python -m leaderboard rank URL`

All tables are plain Parquet: `datasets.load_dataset("parquet", data_files="BOARD/log/*.parquet")`
and DuckDB read them. `judge.py` looks at one submission behind the glass of `guard.py`; `accept.py`
holds all new ones against the known ones (`rules.py`, `names.py`); `rank.py` ranks, by the rule of
`apart.py`; `verify.py` computes scores again. `render.py` writes the page as plain files, with no
server; `app.py` serves the same files (Gradio), and `space.py` writes the folder of a Hugging Face
Space that does. The package runs from a checkout or a Space and is in no wheel.
"""
