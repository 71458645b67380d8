"""The settings of each resident, kept in the registry's settings under `care/ID` as JSON, and given to the engine.

Who changed them is in the audit trail; the values are not, because they are health data.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog

from analytics.care import USUAL, Care, CareError, care_from
from gateway.registry import InvalidRecordError, UnknownRecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.registry import Registry

log = structlog.get_logger(__name__)

PREFIX = "care/"


def plain_care(care: Care) -> dict[str, Any]:
    """The settings as plain JSON; `care_from` takes it back."""
    return {**asdict(care), "safe_zones": list(care.safe_zones)}


def read_care(registry: Registry) -> dict[str, Care]:
    """The settings of every resident that has some. What cannot be read is logged and stays as usual."""
    return {
        resident_id: care
        for resident_id, text in registry.settings_below(PREFIX).items()
        if (care := _parsed(resident_id, text)) is not None
    }


def care_of(registry: Registry, resident_id: str) -> Care:
    """The settings of one resident; the usual ones where none were set."""
    text = registry.setting(PREFIX + resident_id)
    return USUAL if text is None else _parsed(resident_id, text) or USUAL


def put_care(registry: Registry, resident_id: str, wanted: Mapping[str, Any], *, by: str, now_ns: int) -> Care:
    """Replace a resident's settings; what is absent becomes usual.

    Raises UnknownRecordError or InvalidRecordError, and changes nothing then.
    """
    if registry.resident(resident_id) is None:
        raise UnknownRecordError("resident", resident_id)
    try:
        care = care_from(wanted)
    except CareError as error:
        raise InvalidRecordError(error.name, error.value, error.allowed) from error
    registry.put_setting(PREFIX + resident_id, json.dumps(plain_care(care)), by=by, now_ns=now_ns)
    return care


def _parsed(resident_id: str, text: str) -> Care | None:
    try:
        return care_from(json.loads(text))
    except (CareError, TypeError, ValueError) as error:
        log.warning("care.unreadable", resident=resident_id, error=str(error))
        return None
