"""The benchmark driver behind tools/bench: servers, scenarios, load and the table.

A new server is one entry in ``servers``, a new scenario one entry in ``scenarios``. Nothing here is part
of the package that is installed, and nothing here imports it, but ``filters``: every server is a process of
its own.
"""
