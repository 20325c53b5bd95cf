"""The questions.

In come TOML files, a folder a suite. Out comes a recipe, which is everything that can change a score, with its id and
digest. Read `recipe` first, then `reading`.
"""
