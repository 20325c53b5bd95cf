"""The paper: what people take home.

In comes a model, or its depth L, and the number of epochs T. Out come the schedule of blocks (Eq. 2 to 5), the model
frozen to each stage, and the count of what trains. Read `schedule` first, then `anatomy`.
"""
