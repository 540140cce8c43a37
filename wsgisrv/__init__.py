"""wsgisrv: a forking, green, strict WSGI API server.

This package's top level imports nothing, so that the master stays free of eventlet and a worker can
choose its hub and patch the standard library before anything else is imported.
"""

__version__ = "0.1.0"
