"""The framework for services: routes, controllers, JSON, faults and versions, as plain WSGI.

Rules: webob and Routes, no eventlet: any WSGI server can host what is written with it. A worker imports
it after the standard library is patched, since Routes makes locks when it is imported.

    router = Router()
    router.connect("/books/{book_id}", controller=Books(), action="show", methods=["GET"])
    app = API(router)
"""

from wsgisrv.api.app import API, responds
from wsgisrv.api.faults import InvalidField
from wsgisrv.api.request import Request
from wsgisrv.api.router import Router
from wsgisrv.api.versions import Version, versions_app

__all__ = ["API", "InvalidField", "Request", "Router", "Version", "responds", "versions_app"]
