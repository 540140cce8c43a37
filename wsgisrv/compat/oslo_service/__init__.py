"""oslo.service's names for a service that serves HTTP, on top of ``wsgisrv.Service``: a change of imports.

    from wsgisrv.compat.oslo_service import service, wsgi

Rules: what stands here runs in the process that becomes the master, so it reaches no eventlet; a service's
``start``, ``stop``, ``wait`` and ``reset`` are called in the workers, which are patched. An app is what
``Loader.load_app`` returns, or ``module:callable``: an app object cannot be carried over. Services that serve
no HTTP, ``loopingcall``, ``periodic_task`` and ``threadgroup`` are not here.
"""
