"""Fixture: a populated site behind the API."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_site import ApiSite, populate


@pytest.fixture(scope="session")
def populated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("populated") / "gateway.sqlite"
    populate(path)
    return path


@pytest.fixture
def make_site(populated: Path, tmp_path: Path) -> Iterator[Callable[..., ApiSite]]:
    made: list[ApiSite] = []

    def make(tree: dict[str, Any] | None = None) -> ApiSite:
        shutil.copy(populated, tmp_path / "gateway.sqlite")
        made.append(ApiSite(tmp_path, tree))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., ApiSite]) -> ApiSite:
    return make_site()
