"""One report, several views.

In come a session's verdicts and the runs behind them. Out come text for a terminal, Markdown, HTML, LaTeX, JSON and
figures. Read `report` first, then any view, such as `text`.
"""
