"""What an app's environ says of the running request, by key.

Imports nothing of the project.
"""

from __future__ import annotations

ROUTE = "wsgisrv.route"
"""Key for the path of the route that answers, as it was declared: ``/books/{book_id}``. Set by wsgisrv.api;
an app with a router of its own may set it, too."""
