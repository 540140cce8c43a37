"""``egg:wsgisrv#pipeline``: one of several pipelines, as a word in the configuration chooses.

    [DEFAULT]
    auth_strategy = keystone

    [composite:api]
    use = egg:wsgisrv#pipeline
    keystone = request_id catch_errors authtoken api
    noauth2 = request_id catch_errors noauth api

Rules: the word is ``flavor`` or ``auth_strategy``, in the section or in ``[DEFAULT]``, the section first;
each other key of the section is a pipeline by that word, filters from the outside in and last the app. Of a
key that stands in both, paste takes the one in ``[DEFAULT]``, unless the section says ``set KEY = ...``.
Services that have a ``pipeline_factory`` of their own, which asks their own options, need this one not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from wsgiref.types import WSGIApplication

from wsgisrv.errors import ConfigError

SELECTORS = ("flavor", "auth_strategy")


def pipeline_factory(
    loader: Any, global_conf: Mapping[str, str], **local_conf: str
) -> WSGIApplication:
    """Makes the pipeline that was chosen.

    Raises:
        ConfigError: when none was chosen, or one that is not there or is empty.
    """
    pipelines = {key: value for key, value in local_conf.items() if key not in SELECTORS}
    there = ", ".join(sorted(pipelines)) or "none"
    for conf in (local_conf, global_conf):
        for key in SELECTORS:
            if key in conf:
                return _made(loader, global_conf, key, conf[key].strip(), pipelines)
    raise ConfigError(
        f"nothing chooses a pipeline: flavor = NAME does, here or in [DEFAULT]; there are {there}"
    )


def _made(
    loader: Any, global_conf: Mapping[str, str], key: str, chosen: str, pipelines: Mapping[str, str]
) -> WSGIApplication:
    if chosen not in pipelines:
        there = ", ".join(sorted(pipelines)) or "none"
        raise ConfigError(f"{key} = {chosen}: allowed are the section's pipelines: {there}")
    *filters, last = pipelines[chosen].split() or [""]
    if not last:
        raise ConfigError(f"{chosen} = : allowed are names of filters, and last of an app")
    app: WSGIApplication = loader.get_app(last, global_conf=global_conf)
    for name in reversed(filters):
        app = loader.get_filter(name, global_conf=global_conf)(app)
    return app
