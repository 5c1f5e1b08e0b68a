"""In: photos with captions and masks. Out: releases that `pdst` loads. Runs from a checkout.

The steps, in the order they run: a source's rows (`sources/`), Parquet (`pack`), card (`card`).
"""
