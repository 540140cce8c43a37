"""``egg:wsgisrv#static``: the small files of a service, as its icon or its API's description.

    [app:docs]
    use = egg:wsgisrv#static
    root = %(here)s/docs
    index = index.html
    max_age = 3600

Rules: GET and HEAD of regular files below ``root``, by their names in the path. Each name is opened inside
the directory before it, never through a symbolic link, so nothing outside of ``root`` is reached, whatever
changes meanwhile; names that begin with a dot are not served. ``index``, if given, is the file of a
directory. ETag and Last-Modified answer conditional requests (RFC 9110 13.1); ranges are not answered. Many
or large files are for the proxy in front: here a read from a slow disk holds the hub.

By hand because it is safer: webob.static, which would do, follows symbolic links out of its root, serves
index.html of directories beside it (``/../other/``), and tells clients the full path of what it has not
found.
"""

from __future__ import annotations

import email.utils
import mimetypes
import os
import stat
from collections.abc import Iterable, Mapping
from typing import BinaryIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import FileWrapper

from wsgisrv.errors import ConfigError
from wsgisrv.middleware.document import refuse
from wsgisrv.middleware.local_conf import LocalConf, wrong

_METHODS = ("GET", "HEAD")
_NO_LINK = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = _NO_LINK | os.O_DIRECTORY
_FILE = _NO_LINK | os.O_NONBLOCK  # a fifo must not be waited for
_TEXT = ("application/javascript", "application/json", "application/xml", "image/svg+xml")
_YEAR = 366 * 24 * 3600


class Static:
    """Args:
    root: the directory; it may be a symbolic link itself.
    index: name of the file that answers for a directory, "" for none.
    max_age: seconds for which a client may keep a file without asking again; 0 asks each time.
    """

    def __init__(self, root: str, index: str = "", max_age: int = 0) -> None:
        self._root = root
        self._index = index
        self._cache_control = f"max-age={max_age}" if max_age else "no-cache"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers with a file."""
        if environ["REQUEST_METHOD"] not in _METHODS:
            allow = [("Allow", ", ".join(_METHODS))]
            return refuse(environ, start_response, 405, "this is a file: GET or HEAD", allow)
        path = environ.get("PATH_INFO", "")
        names = path.removeprefix("/").split("/")
        if not names[-1]:
            names[-1] = self._index
        file = self._open(names)
        if file is None:
            return refuse(environ, start_response, 404, "no such file")
        try:
            return self._send(names[-1], file, environ, start_response)
        except BaseException:
            file.close()
            raise

    def _open(self, names: list[str]) -> BinaryIO | None:
        """Returns the open file, None when it is none or may not be seen."""
        if any(not name or name[0] == "." or "\0" in name for name in names):
            return None
        try:
            names = [name.encode("latin-1").decode("utf-8") for name in names]
            at = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for place, name in enumerate(names, 1):
                flags = _FILE if place == len(names) else _DIRECTORY
                try:
                    below = os.open(name, flags, dir_fd=at)
                finally:
                    os.close(at)
                at = below
        except (OSError, UnicodeDecodeError):
            return None
        if not stat.S_ISREG(os.fstat(at).st_mode):
            os.close(at)
            return None
        return open(at, "rb")

    def _send(
        self, name: str, file: BinaryIO, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        status = os.fstat(file.fileno())
        etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        headers = [
            ("ETag", etag),
            ("Last-Modified", email.utils.formatdate(status.st_mtime, usegmt=True)),
            ("Cache-Control", self._cache_control),
        ]
        if _is_fresh(environ, etag, status.st_mtime):
            file.close()
            start_response("304 Not Modified", headers)
            return []
        headers += [
            *_type_of(name),
            ("Content-Length", str(status.st_size)),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response("200 OK", headers)
        if environ["REQUEST_METHOD"] == "HEAD":
            file.close()
            return []
        wrapper = environ.get("wsgi.file_wrapper", FileWrapper)
        result: Iterable[bytes] = wrapper(file, 64 * 1024)
        return result


def _is_fresh(environ: WSGIEnvironment, etag: str, modified: float) -> bool:
    """RFC 9110 13.2.2: whether the client has it already; If-Modified-Since counts without If-None-Match."""
    tags = environ.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        known = [tag.strip(" \t").removeprefix("W/") for tag in tags.split(",")]
        return "*" in known or etag in known
    said: str = environ.get("HTTP_IF_MODIFIED_SINCE", "")
    since = email.utils.parsedate_tz(said)
    try:
        return since is not None and int(modified) <= email.utils.mktime_tz(since)
    except (ValueError, OverflowError):  # a date that no calendar has is none (RFC 9110 13.1.3)
        return False


def _type_of(name: str) -> list[tuple[str, str]]:
    kind, coding = mimetypes.guess_type(name)
    kind = kind or "application/octet-stream"
    if kind.startswith("text/") or kind in _TEXT:
        kind += "; charset=utf-8"
    return [("Content-Type", kind), *([("Content-Encoding", coding)] if coding else [])]


def app_factory(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:
    """Makes the app.

    Args:
        local_conf: ``root``, a directory, which has to be there; ``index``, a file's name; ``max_age`` in
            seconds.

    Raises:
        ConfigError: for a value that is wrong.
    """
    conf = LocalConf("static", local_conf, ("root", "index", "max_age"))
    root, index = conf.text("root"), conf.text("index")
    if not root:
        raise ConfigError("root is missing: allowed is a directory, as %(here)s/static")
    if not os.path.isdir(root):
        raise wrong("root", root, "a directory")
    if "/" in index or index.startswith("."):
        raise wrong("index", index, "the name of a file, as index.html")
    return Static(os.path.abspath(root), index, conf.integer("max_age", 0, 0, _YEAR))
