"""The card for calling 120: what to say, in the order in which the call taker asks. Text for people, in two languages.

Prepared when nobody has answered for minutes, so that whoever is told can call at once: where, what, who, known
illnesses, and a number to ring back. It carries health data and goes out only when a policy says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.kinds import KINDS

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.registry import Resident

GENDERS = {"female": ("女", "female"), "male": ("男", "male")}
UNKNOWN = ("不详", "unknown")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the site is and how it is rung back; empty where not set (site.address, site.phone)."""

    address: str = ""
    phone: str = ""


NOWHERE = Place()


def card(kind: str, happened: datetime, resident: Resident | None, place: Place, *, confirmed: bool) -> dict[str, str]:
    """The text in Chinese and English. happened: on the site's clock."""
    row = KINDS.get(kind)
    room = resident.room if resident else ""
    sure = ("", "") if confirmed else ("（疑似）", " (suspected)")
    facts = {
        "where": tuple(" ".join(part for part in (place.address, room) if part) or word for word in UNKNOWN),
        "what": tuple(
            f"{name}{word}, {happened:%H:%M}"
            for name, word in zip((row.zh, row.en) if row else (kind,) * 2, sure, strict=True)
        ),
        "who": _who(resident, happened.year),
        "conditions": tuple((resident.notes if resident else "") or word for word in UNKNOWN),
        "phone": tuple(place.phone or word for word in UNKNOWN),
    }
    zh, en = ({name: pair[column] for name, pair in facts.items()} for column in (0, 1))
    return {
        "zh": f"【拨打120请说】1 地址：{zh['where']}；2 情况：{zh['what']}；3 患者：{zh['who']}；"
        f"4 病史与备注：{zh['conditions']}；5 回拨电话：{zh['phone']}。不要先挂断，等调度员说完。",
        "en": f"[Call 120 and say] 1 where: {en['where']}; 2 what: {en['what']}; 3 who: {en['who']}; "
        f"4 illnesses and notes: {en['conditions']}; 5 number to ring back: {en['phone']}. Do not hang up first.",
    }


def _who(resident: Resident | None, year: int) -> tuple[str, str]:
    if resident is None:
        return UNKNOWN
    zh, en = [resident.display_name], [resident.display_name]
    if resident.gender in GENDERS:
        zh.append(GENDERS[resident.gender][0])
        en.append(GENDERS[resident.gender][1])
    if resident.birth_year is not None:
        zh.append(f"约{year - resident.birth_year}岁")
        en.append(f"about {year - resident.birth_year}")
    return "，".join(zh), ", ".join(en)
