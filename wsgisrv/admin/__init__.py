"""The admin process: what the service shows of itself, from shared memory. Nobody waits for it.

It is plain Python without Eventlet, so that it answers when every worker is blocked.
"""
