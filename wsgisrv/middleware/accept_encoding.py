"""Whether a client takes gzip (RFC 9110 12.5.3).

Rules: of gzip and no coding at all the client gets what it weighs higher, gzip if it weighs them alike.
What is malformed counts as not said, and whoever sends no Accept-Encoding gets no coding.
"""

from __future__ import annotations

import functools
import re

# RFC 9110 12.4.2: weight = OWS ";" OWS "q=" qvalue
#                    qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
_ITEM = re.compile(
    r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
_LONGEST = 500


@functools.lru_cache(256)  # clients send few different ones
def takes_gzip(accept_encoding: str) -> bool:
    """Returns whether the field's value lets us send gzip."""
    if len(accept_encoding) > _LONGEST:
        return False
    weights: dict[str, float] = {}
    for item in accept_encoding.split(","):
        if match := _ITEM.fullmatch(item.strip(" \t")):
            weights[match[1].lower()] = float(match[2]) if match[2] else 1.0
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)
