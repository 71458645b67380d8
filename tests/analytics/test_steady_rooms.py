"""The room of a tag: jumps of the radio are no moves."""

from __future__ import annotations

from analytics.daily.rooms import STEADY_S, SteadyRooms

SECOND = 1_000_000_000


def test_a_room_counts_once_the_tag_was_heard_there_for_long_enough() -> None:
    rooms = SteadyRooms()
    assert rooms.room_of("tag") is None
    assert rooms.hear("tag", "hall", 0), "the first one at once"
    said = [(60, "hall"), (90, "kitchen"), (100, "hall"), (120, "kitchen"), (121, "bath"), (160, "kitchen")]
    assert not any(rooms.hear("tag", room, second * SECOND) for second, room in said)
    assert rooms.room_of("tag") == "hall"
    assert not rooms.hear("tag", "kitchen", int((160 + STEADY_S - 1) * SECOND))
    assert rooms.hear("tag", "kitchen", int((160 + STEADY_S) * SECOND))
    assert not rooms.hear("tag", "kitchen", 400 * SECOND)
    assert rooms.room_of("tag") == "kitchen"


def test_a_tag_that_strays_for_two_minutes_in_a_row_has_not_moved() -> None:
    """Each minute it is restated where it is; who lies on the floor is not taken for alive by what the radio does."""
    rooms = SteadyRooms()
    heard = ["living_room", *["corridor"] * 2, *["living_room"] * 3, *["corridor"] * 3]
    moved = [rooms.hear("tag", room, minute * 60 * SECOND) for minute, room in enumerate(heard)]
    assert moved == [True, *[False] * 7, True]


def test_a_clock_set_back_begins_anew_and_what_is_forgotten_is_gone() -> None:
    rooms = SteadyRooms()
    rooms.hear("tag", "hall", 500 * SECOND)
    rooms.hear("tag", "bath", 510 * SECOND)
    assert not rooms.hear("tag", "bath", 100 * SECOND)
    assert rooms.hear("tag", "bath", 220 * SECOND)
    rooms.forget("tag")
    assert rooms.room_of("tag") is None
    assert rooms.hear("tag", "bath", 300 * SECOND)
