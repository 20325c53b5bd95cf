"""The exit codes of the commands."""

FINE = 0
FAILED = 1  # something deviates, changed or is an error
USAGE = 2
ABSENT = 3  # something is missing: no weights, data or GPU
INTERRUPTED = 130  # as a shell says it of a program that Ctrl-C ended
