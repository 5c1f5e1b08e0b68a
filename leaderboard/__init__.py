"""The board's side: accept -> verify -> rank. Everything but `verify` works without torch.

A board is a folder or any fsspec URL:

board.json                  title, and the keys that it takes (none: any of a release at hand)
entries/<digest>.parquet    submissions, as they came; never changed
log/*.parquet               every acceptance, refusal, withdrawal and check, with its reason
accepted/*.parquet          one row an accepted entry
results/*.parquet           one row an entry and metric, computed from the entry's rows by pdst
board.parquet               ranks; made from the others by `python -m leaderboard rank URL`

All tables are plain Parquet: `datasets.load_dataset("parquet", data_files="BOARD/log/*.parquet")`
and DuckDB read them. `judge.py` looks at one submission, `accept.py` at all new ones, `rank.py`
ranks, `verify.py` computes scores again; the web page stands on `board.parquet` and the log.
"""
