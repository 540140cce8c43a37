"""Certificates of a CA of the tests' own, as files."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Certificates:
    """Args:
    directory: where the files go.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self._ca = trustme.CA()
        self._directory = directory
        self.ca = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca))

    def issue(self, *names: str, file: str = "", common_name: str | None = None) -> Path:
        """Writes chain and key of a new certificate into one file and returns its path."""
        path = self._directory / (file or f"{names[0].replace('*', 'any')}.pem")
        fresh = self._directory / "fresh"
        issued = self._ca.issue_cert(*names, common_name=common_name)
        issued.private_key_and_cert_chain_pem.write_to_path(str(fresh))
        fresh.rename(path)
        return path

    def trusting(self, own: Path | None = None) -> ssl.SSLContext:
        """Returns a client's context; ``own`` is the client's certificate."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if own is not None:
            context.load_cert_chain(own)
        return context


def split(path: Path) -> tuple[Path, Path]:
    """Returns the chain and the key of a file with both as two files."""
    text = path.read_text()
    begin = text.index("-----BEGIN CERTIFICATE-----")
    chain, key = path.with_suffix(".crt"), path.with_suffix(".key")
    chain.write_text(text[begin:])
    key.write_text(text[:begin])
    return chain, key
