"""The framework for services: routes, controllers, JSON, faults and versions, as plain WSGI.

Rules: webob and Routes, no eventlet: any WSGI server can host what is written with it. A worker imports
it after the standard library is patched, since Routes makes locks when it is imported.

    class Books:
        def show(self, request, book_id):
            return {"id": book_id}

    router = Router()
    router.connect("/books/{book_id}", controller=Books(), action="show", methods=["GET"])
    app = API(router)
"""

from wsgisrv.api.app import API
from wsgisrv.api.controller import responds
from wsgisrv.api.faults import FaultTable, InvalidFields
from wsgisrv.api.request import Request, RequestContext
from wsgisrv.api.router import Router
from wsgisrv.api.versions import OneVersion, Version, versions_app

__all__ = [
    "API",
    "FaultTable",
    "InvalidFields",
    "OneVersion",
    "Request",
    "RequestContext",
    "Router",
    "Version",
    "responds",
    "versions_app",
]
