"""Secrets in the options of drivers: loaded from where they are kept, masked wherever options are shown.

A driver names its secret options (`Driver.secrets`). Each holds a secret or a table of them, and each secret is plain
text, `{file = "..."}` or `{env = "..."}`.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, SupportsIndex

from pydantic import ValidationError

from device_drivers.registry import UnknownFamilyError, find_driver
from gateway.config import ConfigError, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from device_drivers.codec import Driver

MASK = "********"
PLACES = frozenset({"file", "env"})
REMOTE_ENV = "YINLING_"
"""A secret that was named over the network may come only from variables that begin so, and files below the settings."""


class SecretText(str):
    """A secret as a driver gets it: text like any other, but stars wherever it is shown as a value (repr)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)

    def __getitem__(self, key: SupportsIndex | slice) -> SecretText:
        return SecretText(super().__getitem__(key))


def loaded(driver: Driver, options: Mapping[str, Any], base: Path, *, remote: bool = False) -> dict[str, Any]:
    """The options with every secret loaded, as `SecretText`. base: folder of the settings. Raises ConfigError.

    remote: the options came over the network, see `REMOTE_ENV`.
    """

    def load(name: str, value: Any) -> Any:
        if not is_place(value):
            return SecretText(value) if isinstance(value, str) else value
        if remote and (wrong := problem_of(value)) is not None:
            raise ConfigError(f"{name}: {wrong}")
        try:
            return SecretText(Secret.model_validate(value).load(base).get_secret_value())
        except (ConfigError, ValidationError) as error:
            raise ConfigError(f"{name}: {_first(error)}") from error

    return _changed(driver.secrets, options, load)


def masked(family: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they may be shown: places stay, plain secrets are stars."""
    return _changed(secrets_of(family), options, lambda _, value: value if is_place(value) or value is None else MASK)


def kept(family: str, new: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """New options that were made out of shown ones: where stars came back, what is known stays."""
    old = dict(_each(secrets_of(family), known))
    return _changed(secrets_of(family), new, lambda name, value: old.get(name, value) if value == MASK else value)


def without_secrets(text: str, driver: Driver, options: Mapping[str, Any]) -> str:
    """A text for people or logs, such as a driver's complaint, with the secrets in it as stars."""
    for _, value in _each(driver.secrets, options):
        if isinstance(value, str) and value:
            text = text.replace(value, MASK)
    return text


def places(driver: Driver, options: Mapping[str, Any]) -> list[tuple[str, Secret]]:
    """Where the secrets among the options are kept, by name; without places that are wrong in themselves."""
    found = [(name, value) for name, value in _each(driver.secrets, options) if is_place(value)]
    return [(name, Secret.model_validate(value)) for name, value in found if len(value) == 1]


def wrong_places(family: str, options: Mapping[str, Any]) -> str | None:
    """Why options from the network cannot be taken: a place in an option that is no secret, or one out of bounds."""
    names = secrets_of(family)
    for name, value in options.items():
        if isinstance(value, dict) and name not in names:
            return f"options.{name} is no secret of family {family}: give its value"
    for name, value in _each(names, options):
        if is_place(value) and (wrong := problem_of(value)) is not None:
            return f"options.{name}: {wrong}"
    return None


def is_place(value: Any) -> bool:
    """Whether this says where a secret is kept."""
    return isinstance(value, dict) and bool(value) and value.keys() <= PLACES


def problem_of(place: Mapping[str, Any]) -> str | None:
    """What is wrong with a place that was named over the network."""
    if len(place) != 1 or not all(isinstance(one, str) and one for one in place.values()):
        return "write exactly one of file and env"
    if "env" in place:
        good = str(place["env"]).startswith(REMOTE_ENV)
        return None if good else f"the name of the variable begins with {REMOTE_ENV}"
    path = PurePosixPath(str(place["file"]))
    outside = path.is_absolute() or ".." in path.parts
    return "the file is below the folder of the settings: give a relative path" if outside else None


def secrets_of(family: str) -> tuple[str, ...]:
    """The secret options of a family; none where its driver is not installed."""
    try:
        return find_driver(family).secrets
    except UnknownFamilyError:
        return ()


def _each(names: tuple[str, ...], options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every secret of the options with its name: "token", "bindkeys.C300007B573C"."""
    for name in names:
        value = options.get(name)
        if isinstance(value, dict) and not is_place(value):
            yield from ((f"{name}.{key}", one) for key, one in value.items())
        elif value is not None:
            yield name, value


def _changed(names: tuple[str, ...], options: Mapping[str, Any], change: Callable[[str, Any], Any]) -> dict[str, Any]:
    found = dict(options)
    for name in names:
        value = found.get(name)
        if isinstance(value, dict) and not is_place(value):
            found[name] = {key: change(f"{name}.{key}", one) for key, one in value.items()}
        elif value is not None:
            found[name] = change(name, value)
    return found


def _first(error: Exception) -> str:
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
