"""How many connections stand where, for the scoreboard.

Rules: counted by looking at each about once a second, so that no request pays for it, and less often where
there are so many that this would hold the hub: a look takes about 0.1 us for each. Runs in: hub.
"""

from __future__ import annotations

from collections.abc import Sequence

from wsgisrv.scoreboard import Slot, Word
from wsgisrv.worker.connection import Connection, State
from wsgisrv.worker.server import Server

STATES_SECONDS = 1.0
"""Between two looks at least."""

STATES_SECONDS_EACH = 1e-4
"""Added for each connection: a thousandth of the time is spent on it at most."""

_WORDS = {
    Word.IDLE: (State.IDLE,),
    Word.READING: (State.HEAD, State.FIRST_CHUNK),
    Word.CLOSING: (State.DRAINING, State.LINGERING),
}


def publish_states(slot: Slot, servers: Sequence[Server]) -> int:
    """Writes the counts to the worker's slot and returns how many connections there are."""
    every = [each for server in servers for each in server.connections()]
    states = [each.state for each in every if isinstance(each, Connection)]
    upgraded = sum(server.upgraded_count for server in servers)
    for word, among in _WORDS.items():
        slot.words[word] = sum(states.count(state) for state in among)
    slot.words[Word.RUNNING] = max(states.count(State.RUNNING) - upgraded, 0)
    slot.words[Word.UPGRADED] = upgraded
    slot.words[Word.PREFACE] = len(every) - len(states)
    return len(every)
