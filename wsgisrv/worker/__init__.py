"""The worker: hub, pool, connections and the WSGI gateway.

The only package, beside ``blocking`` and ``compat``, that imports eventlet. ``boot`` is its entry and the
only module that may be imported before the standard library is patched.
"""
