"""A pytest plugin for eventlet's own tests: puts wsgisrv's server in the place of eventlet's."""

from __future__ import annotations

import eventlet.wsgi

from wsgisrv.compat import wsgi

eventlet.wsgi.server = wsgi.server
