"""Paste filters, composites and small apps: plain WSGI, on any server."""
