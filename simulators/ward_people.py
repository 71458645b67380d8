"""How each resident of the simulated ward lives: when they rise, rest, go out and how regular they are. From one seed.

People differ more from each other than one from day to day, and days are not all alike: some rest in the chair after
lunch without a sensor noticing them, some sleep in at the weekend, some go to their family on Sundays. These are the
things that make rules about what is usual cry wolf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY_MIN = 24 * 60
WEEK_BEGINS = 4
"""The first day is a Friday (Monday is 0)."""
SUNDAY = 6


class People(NamedTuple):
    """Arrays (residents,). irregular: spread of rising and going to bed, min. sleeps_in: minutes at the weekend.
    nights_out_of_bed: a night. rests: share of days with a rest after lunch; rest_min: its median. trips: share of free
    spells that become an outing; trip_min: median. sundays: share of Sundays with the family.
    """

    irregular: NDArray[np.float64]
    sleeps_in: NDArray[np.float64]
    nights_out_of_bed: NDArray[np.float64]
    rests: NDArray[np.float64]
    rest_min: NDArray[np.float64]
    trips: NDArray[np.float64]
    trip_min: NDArray[np.float64]
    sundays: NDArray[np.float64]


def people(chance: np.random.Generator, number: int, wanders: NDArray[np.bool_]) -> People:
    """wanders: who carries a tag and does not go out alone."""
    some = chance.random(number)
    return People(
        irregular=np.clip(chance.lognormal(np.log(20), 0.4, number), 10, 45),
        sleeps_in=np.where(chance.random(number) < 0.3, 40.0, 0.0),
        nights_out_of_bed=chance.uniform(0.4, 2.2, number),
        rests=np.where(some < 0.25, 0.0, chance.uniform(0.2, 0.95, number)),
        rest_min=chance.uniform(35, 95, number),
        trips=np.where(wanders, 0.0, chance.uniform(0.01, 0.06, number)),
        trip_min=chance.uniform(35, 150, number),
        sundays=np.where(~wanders & (chance.random(number) < 0.3), 0.6, 0.0),
    )


def nights(chance: np.random.Generator, who: People, days: int) -> NDArray[np.int64]:
    """(residents, days + 1, 2): minutes of going to bed before each day, and of getting up on it."""
    shape = (len(who.irregular), days + 1)
    evenings = np.arange(days + 1) * DAY_MIN - 150
    to_bed = evenings + np.clip(chance.normal(size=shape), -2.5, 2.5) * who.irregular[:, None]
    free = (np.arange(days + 1) + WEEK_BEGINS) % 7 >= SUNDAY - 1
    late = who.sleeps_in[:, None] * free
    up = evenings + 9 * 60 + late + np.clip(chance.normal(size=shape), -2.5, 2.5) * who.irregular[:, None]
    return np.stack([to_bed, up], axis=2).astype(np.int64)


def is_sunday(day: int) -> bool:
    """Of the ward's days, counted from 0."""
    return (day + WEEK_BEGINS) % 7 == SUNDAY
