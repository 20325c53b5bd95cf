"""Models by name.

In comes a name of models.toml. Out come its dimensions, without torch, or the model itself with weights and
tokenizer. Read `spec` first, then `loading`.
"""
