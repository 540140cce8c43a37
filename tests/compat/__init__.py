"""Eventlet's own tests of its WSGI server, run against ``wsgisrv.compat.wsgi``; see tools/drop-in."""
