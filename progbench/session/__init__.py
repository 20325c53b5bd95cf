"""One session of pytest or of the command, without pytest.

In comes what is asked for. Out come runs that were made, cells that were judged, and a report. Read `suite` first.
"""
