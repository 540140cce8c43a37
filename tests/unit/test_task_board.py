"""The tasks' board: rows by name, and locks that the kernel frees."""

from __future__ import annotations

import os

import pytest

from wsgisrv.errors import ConfigError
from wsgisrv.task_board import ROWS, TaskBoard, TaskWord


def in_child(board: TaskBoard, name: str) -> int:
    """Forks a process that takes the lock and ends without giving it back; returns 1 if it got it."""
    pid = os.fork()
    if not pid:
        os._exit(int(board.take(name)))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_one_process_has_a_lock_until_it_ends_or_gives_it_back() -> None:
    board = TaskBoard.make(["a", "b"])
    assert board.take("a")
    assert in_child(board, "a") == 0
    assert in_child(board, "b") == 1
    assert board.take("b")  # the child has ended
    board.give_back("a")
    assert in_child(board, "a") == 1
    os.close(board.fd)


def test_rows_keep_their_names_for_a_new_master_with_other_tasks() -> None:
    board = TaskBoard.make(["a", "b"])
    board.row("b").words[TaskWord.RUNS] = 7
    after = TaskBoard(board.fd, ["c", "b"])
    assert after.row("b").words[TaskWord.RUNS] == 7
    assert after.row("c").words[TaskWord.RUNS] == 0
    assert board.take("b")
    assert in_child(after, "b") == 0
    os.close(board.fd)


def test_too_many_tasks_and_a_name_too_long_are_said() -> None:
    with pytest.raises(ConfigError, match=f"at most {ROWS} of them"):
        TaskBoard.make([f"task {number}" for number in range(ROWS + 1)])
    with pytest.raises(ConfigError, match="at most 192 bytes"):
        TaskBoard.make(["x" * 193])
