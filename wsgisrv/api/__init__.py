"""The framework for services: routes, controllers, schemas, versions, faults, as plain WSGI.

Rules: webob and Routes, no eventlet: any WSGI server can host what is written with it. A worker imports
it after the standard library is patched, since Routes makes locks when it is imported.

    from wsgisrv import api

    class Books:
        def show(self, request, book_id):
            return {"id": book_id}

    router = api.Router()
    router.resource("book", "books", controller=Books(), argument="book_id")
    app = api.API(router)
"""

from wsgisrv.api.app import API
from wsgisrv.api.conditions import etag_of
from wsgisrv.api.declared import (
    answers,
    around,
    before,
    body,
    conditional,
    lists,
    policy,
    produces,
    query,
    responds,
    returns,
    sub_action,
    version,
)
from wsgisrv.api.faults import FaultTable, InvalidFields, fault
from wsgisrv.api.filters import Condition, Filter
from wsgisrv.api.microversions import Microversions
from wsgisrv.api.openapi import Described
from wsgisrv.api.pagination import Collection, Page
from wsgisrv.api.policy import Enforcer, OsloPolicy
from wsgisrv.api.request import Request, RequestContext
from wsgisrv.api.results import File
from wsgisrv.api.router import Resource, Router
from wsgisrv.api.serializers import MediaType
from wsgisrv.api.versions import OneVersion, Version, versions_app

__all__ = [
    "API",
    "Described",
    "Router",
    "Resource",
    "Request",
    "RequestContext",
    "responds",
    "produces",
    "answers",
    "conditional",
    "sub_action",
    "body",
    "query",
    "returns",
    "before",
    "around",
    "policy",
    "Enforcer",
    "OsloPolicy",
    "version",
    "Microversions",
    "OneVersion",
    "Version",
    "versions_app",
    "Collection",
    "Condition",
    "Filter",
    "Page",
    "lists",
    "etag_of",
    "File",
    "MediaType",
    "FaultTable",
    "InvalidFields",
    "fault",
]
