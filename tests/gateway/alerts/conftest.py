"""Fixtures: a site on a copy of a database with a resident, a device and three contacts."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alert_site import Site, fast_folder

from gateway.database import open_database
from gateway.registry import Contact, Device, Registry, Resident


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "site.db"
    database = open_database(path)
    registry = Registry(database)
    registry.add_resident(Resident("r1", "李奶奶", 1941, "female", "301"), by="admin", now_ns=1)
    registry.add_device(Device("w1", "yinling_wearable", "手环", "worn"), by="admin", now_ns=1)
    for number in (0, 1):
        contact = Contact(f"c{number}", "r1", "家人", "family", "sms", f"1390000000{number}", order=number)
        registry.add_contact(contact, by="admin", now_ns=1)
    registry.add_contact(Contact("nurse", None, "护士站", "nurse", "siren", "1"), by="admin", now_ns=1)
    database.close()
    return path


@pytest.fixture
def make_site(template: Path) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []
    folder = Path(tempfile.mkdtemp(prefix="yinling-", dir=fast_folder()))

    def make(**options: Any) -> Site:
        path = folder / f"site{len(made)}.db"
        shutil.copy(template, path)
        made.append(Site(path, options=options))
        return made[-1]

    yield make
    for site in made:
        assert site.service.verify_audit().intact
        site.database.close()
    shutil.rmtree(folder)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()
