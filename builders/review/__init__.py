"""In: photos, captions and masks, and people who look at them, each alone. Out: what they say.

`items` says what is asked, `answers` keeps what is answered, `agreement` counts, `sheet` and `page`
are the two ways to answer: a CSV, and a page in a browser.
"""
