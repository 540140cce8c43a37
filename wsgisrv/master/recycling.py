"""When a worker has served long enough to be replaced by a fresh one.

Rules: pure; says who is due and why, and leaves the order to the roster. Must not import os, signal, time
or socket.

The jitter keeps workers that were spawned together from being due together. It is no die for each worker
but a step round the circle by the golden section, which lies farther from all steps before it than a die
does; the circle begins where the master's own die says, so that hosts started together differ as well.
"""

from __future__ import annotations

from wsgisrv.master.events import Policy
from wsgisrv.master.member import Member

GOLDEN = 0.6180339887498949

MEMORY_SECONDS = 5.0
"""After READY, in which no worker is replaced for its memory: a limit below what the app needs at all
must not have workers spawned without a pause."""


def reason_to_retire(member: Member, policy: Policy, phase: float, now: float) -> str:
    """Returns why a ready worker is due, empty when it is not.

    Args:
        phase: of the master, 0 to 1.
    """
    if member.ready_at is None:
        return ""
    share = (phase + member.worker_id * GOLDEN) % 1.0
    age = now - member.ready_at
    most_requests = policy.max_requests + int(share * policy.max_requests_jitter)
    longest = policy.max_worker_lifetime + share * policy.max_worker_lifetime_jitter
    most_bytes = policy.max_worker_rss_bytes
    if policy.max_requests and member.requests >= most_requests:
        return f"{member.requests} requests"
    if policy.max_worker_lifetime and age >= longest:
        return f"{age:.0f} s"
    if most_bytes and member.rss_bytes >= most_bytes and age >= MEMORY_SECONDS:
        return f"{member.rss_bytes / 1024**2:.0f} MiB of memory"
    return ""
