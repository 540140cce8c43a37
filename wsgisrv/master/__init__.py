"""The master: binds, forks, supervises, reloads; never touches a request.

Rules: the standard library and the modules below it only. Nothing here may reach eventlet, webob, paste
or routes, since whatever is imported here is inherited, unpatched, by every worker.
"""
