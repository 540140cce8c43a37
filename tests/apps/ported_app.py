"""The app of tests.apps.ported; it reads the service's global conf, as such apps do."""

from __future__ import annotations

import json
import os
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from oslo_config import cfg


def factory(global_conf: dict[str, str], name: str) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        told = {
            "name": name,
            "zone": cfg.CONF.zone,
            "pid": os.getpid(),
            "url_scheme": environ["wsgi.url_scheme"],
        }
        return [json.dumps(told).encode()]

    return app
