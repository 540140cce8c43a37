"""What eventlet's users call, on top of this server: a change of one import.

Rules: nothing here parses or writes HTTP; that is the worker's own Connection, Exchange and Acceptor. The
process is somebody else's: its hub runs already, it is patched or not as its owner wants, and it goes on
when a server ends.
"""
