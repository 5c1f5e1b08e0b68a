"""A finished run -> one checked file -> a leaderboard. No torch.

`header.py` says what a submission states, `bundle.py` holds the file format and its one digest,
`reading.py` opens files of strangers, `making.py` turns a run into a bundle, `check.py` lists every
problem (submitters and boards run the same checks), `send.py` and `hub.py` bring it to a board.
"""
