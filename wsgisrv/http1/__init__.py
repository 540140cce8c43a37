"""HTTP/1.1 without I/O: bytes in, requests out; a response's head out of status and fields.

Rules: refuses whatever http1-answers lists, in the strictest reading that RFC 9110 and RFC 9112 leave.
``RefusedError`` is the only error that a peer can cause; if anything else is raised, that is a bug here.
Must not import socket, select, ssl, time, os, logging or threading, nor eventlet.
"""
