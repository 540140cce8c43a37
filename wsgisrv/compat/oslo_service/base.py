"""``oslo_service.service.ServiceBase``: what a launcher launches."""

from __future__ import annotations

import abc


class ServiceBase(abc.ABC):
    """What a launcher launches."""

    @abc.abstractmethod
    def start(self) -> None:
        """Starts it. Runs in: worker, when its app is loaded."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stops it. Runs in: worker that drains, greenlet."""

    @abc.abstractmethod
    def wait(self) -> None:
        """Waits for its end. Runs in: likewise."""

    @abc.abstractmethod
    def reset(self) -> None:
        """The files were read again. Runs in: worker, greenlet."""
