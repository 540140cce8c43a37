"""The demo service, ``shelf``: books that can be listed, added, changed, lent and removed; authors, loans.

Written as a service project would write it: on wsgisrv.api, SQLAlchemy and a paste file.
"""
