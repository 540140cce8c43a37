"""A service's own main(): ``wsgisrv.Service(conf, app="name").run()``.

Rules: the process that calls it becomes the master, so it reaches no eventlet, webob, paste or routes. Apps,
hooks, tasks and commands are named, never passed, and are imported in the processes that run them.
"""

from wsgisrv.service.service import Service

__all__ = ["Service"]
