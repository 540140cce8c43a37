"""What ``in_process`` raises of its own, beside ``BusyError``. What the function raises comes as it is."""

from __future__ import annotations


class JobError(Exception):
    """The base: raised only as one of its subclasses."""


class NoHelpersError(JobError):
    """Raised in a worker of a service that has none: set ``cpu_workers``."""


class NotSendableError(JobError):
    """Raised for a function, argument or result that cannot be pickled, and for a function that the helper
    cannot import by its module and name: a lambda, a nested one, one of ``__main__``.
    """


class JobTimeoutError(JobError, TimeoutError):
    """Raised when the function ran longer than ``timeout``: its process was killed."""


class HelperDiedError(JobError):
    """Raised when the process died in the job: it crashed, or the system had no memory for it."""
