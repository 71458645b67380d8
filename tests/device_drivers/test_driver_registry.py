"""Drivers of third parties are found; broken ones are named and take no other with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from device_drivers.registry import UnknownFamilyError, broken_drivers, drivers, find_driver, is_ours

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOD = """
from device_drivers.codec import Driver, StreamCodec

class LampCodec(StreamCodec):
    family = "lamp"
    def __init__(self, device_id, options):
        super().__init__(device_id)
    def feed(self, data, received_ns):
        return []

DRIVER = Driver("lamp", "灯", "Lamp", ("battery",), stream=LampCodec, aliases=("lantern",))
"""


def broken() -> Mapping[str, str]:
    return {one.name: one.problem for one in broken_drivers()}


def test_a_third_party_s_driver_is_found_by_name_and_alias(foreign_drivers: Any) -> None:
    ours = set(drivers())
    foreign_drivers.install("lamp_driver", GOOD)
    assert set(drivers()) == ours | {"lamp"}
    assert find_driver("lantern") is find_driver("lamp")
    assert not is_ours(find_driver("lamp"))
    assert is_ours(find_driver("micradar"))
    assert broken() == {}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import a_package_that_is_absent", "ModuleNotFoundError: No module named 'a_package_that_is_absent'"),
        ("DRIVER = 1 / 0", "ZeroDivisionError: division by zero (FOLDER/faulty.py:1)"),
        ("def DRIVER(:", "SyntaxError"),
        ("raise SystemExit('this needs Windows')", "SystemExit: this needs Windows"),
        ("driver = 1", "AttributeError: module 'faulty' has no attribute 'DRIVER'"),
        ("DRIVER = 'lamp'", "of type str: write DRIVER = Driver("),
        ("from device_drivers.codec import Driver\nDRIVER = Driver('lamp')", "missing 3 required positional arguments"),
        (GOOD.replace('("battery",)', '("battery")'), "signals is 'battery': write a tuple"),
        (
            GOOD.replace('"lamp", "灯"', '"micradar", "灯"'),
            "the name 'micradar' is already taken by a driver of yinling",
        ),
        (GOOD.replace('("lantern",)', '("z2m",)'), "the name 'z2m' is already taken"),
    ],
)
def test_a_broken_driver_is_named_and_takes_no_other_with_it(source: str, text: str, foreign_drivers: Any) -> None:
    ours = dict(drivers())
    foreign_drivers.install("faulty", source)
    foreign_drivers.install("lamp_driver", GOOD.replace('"lamp"', '"lamp2"').replace('"lantern"', '"lantern2"'))
    assert set(drivers()) == {*ours, "lamp2"}
    assert drivers()["micradar"].title_en == ours["micradar"].title_en
    (one,) = broken_drivers()
    assert (one.name, one.package) == ("faulty", "faulty 1.0")
    assert text.replace("FOLDER", str(foreign_drivers.folder)) in one.problem
    with pytest.raises(UnknownFamilyError, match="cannot be used: faulty") as raised:
        find_driver("faulty")
    assert raised.value.broken == (one,)


def test_of_two_third_parties_with_one_name_the_other_is_named(foreign_drivers: Any) -> None:
    foreign_drivers.install("first_lamp", GOOD)
    foreign_drivers.install("second_lamp", GOOD)
    assert "lamp" in drivers()
    (one,) = broken_drivers()
    assert "already taken by a driver of" in one.problem


def test_a_package_whose_entry_points_cannot_be_read_hides_no_others(foreign_drivers: Any) -> None:
    foreign_drivers.install("lamp_driver", GOOD)
    foreign_drivers.install("garbled", "")
    (foreign_drivers.folder / "garbled-1.0.dist-info" / "entry_points.txt").write_text("[yinling.drivers]\nno sense\n")
    drivers_found = drivers()
    assert "lamp" in drivers_found
    assert "micradar" in drivers_found
    assert "cannot be read" in broken()["entry_points.txt"]


def test_a_package_that_stands_twice_on_the_path_counts_once(
    foreign_drivers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign_drivers.install("lamp_driver", GOOD)
    monkeypatch.syspath_prepend(str(foreign_drivers.folder))
    assert "lamp" in drivers()
    assert broken() == {}
