"""The channel: messages whole and in order, EOF after the last of them, nobody waits."""

from __future__ import annotations

import os

import pytest

from wsgisrv.channel import Channel, ChannelClosedError, Kind, Message


def test_messages_arrive_whole_and_in_order() -> None:
    ours, theirs = Channel.pair()
    sent = [Message(Kind.READY, {"hub": "epolls"}), Message(Kind.FAILED, {"reason": "a\nb"})]
    assert [ours.send(message) for message in sent] == [True, True]
    assert theirs.receive() == sent
    assert theirs.receive() == []
    ours.close()
    theirs.close()


def test_eof_comes_after_the_last_message() -> None:
    ours, theirs = Channel.pair()
    ours.send(Message(Kind.DRAIN))
    ours.close()
    assert theirs.receive() == [Message(Kind.DRAIN)]
    for _ in range(2):
        with pytest.raises(ChannelClosedError):
            theirs.receive()
    theirs.close()


def test_a_message_to_a_peer_that_is_gone_is_refused() -> None:
    ours, theirs = Channel.pair()
    theirs.close()
    assert not ours.send(Message(Kind.DRAIN))
    ours.close()


def test_a_peer_that_reads_nothing_makes_nobody_wait() -> None:
    ours, theirs = Channel.pair()
    message = Message(Kind.FAILED, {"reason": "x" * 1000})
    for _ in range(10_000):
        if not ours.send(message):
            break
    else:
        raise AssertionError("the buffer never filled")
    assert all(received == message for received in theirs.receive())
    ours.close()
    theirs.close()


def test_what_came_before_a_line_that_is_no_message_is_not_lost() -> None:
    ours, theirs = Channel.pair()
    ours.send(Message(Kind.READY))
    os.write(ours.fileno(), b"GET / HTTP/1.1\r\n")
    ours.send(Message(Kind.DRAIN))
    assert theirs.receive() == [Message(Kind.READY)]
    with pytest.raises(ValueError, match="Expecting value"):
        theirs.receive()
    ours.close()
    theirs.close()
