"""A service with a main() of its own, as the variable OWNED has it: JSON of what it declares."""

from __future__ import annotations

import json
import os
import sys

from oslo_config import cfg

import wsgisrv


def main() -> int:
    declared = json.loads(os.environ.get("OWNED", "{}"))
    conf = cfg.ConfigOpts()
    opts = [
        cfg.IntOpt("answer", default=42, min=0, max=100, help="Told.", mutable=True),
        cfg.IntOpt("limit", default=5, min=0, max=100, help="Told."),
    ]
    conf.register_opts(opts, group="owned")
    conf.register_cli_opts([cfg.StrOpt("greeting", default="hello", help="Told.")])
    if declared.get("patch"):
        import eventlet

        eventlet.monkey_patch()
    service = wsgisrv.Service(
        conf, app=declared.get("app", "main"), defaults=declared.get("defaults")
    )
    for server, (app, defaults) in declared.get("add", {}).items():
        service.add(server, app, defaults=defaults)
    for moment, target in declared.get("hooks", []):
        service.hook(moment, target)
    for task in declared.get("periodic", []):
        service.periodic(**task)
    for task in declared.get("background", []):
        service.background(**task)
    service.command("count", "tests.apps.owned_commands:count", "count what is given")
    if declared.get("run"):
        conf(sys.argv[1:], project="owned")
        return service.run()
    return service.main(project="owned", version="7.1")


if __name__ == "__main__":
    sys.exit(main())
