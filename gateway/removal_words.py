"""What a removal takes and what it keeps, in words: for the command line, the API and the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.removal import Removed


class Told(NamedTuple):
    """A text in Chinese and English."""

    zh: str
    en: str


TABLES: Mapping[str, Told] = {
    "contacts": Told("联系人", "contacts"),
    "care_plans": Told("照护计划", "care plans"),
    "care_runs": Told("照护记录", "care tasks done or missed"),
    "night_reports": Told("夜间报告", "night reports"),
    "notes": Told("发出的报告", "reports sent"),
    "learned": Told("学到的习惯", "habits learned"),
    "consents": Told("同意书", "consents"),
    "holds": Told("暂停", "pauses"),
}
"""What of a resident's rows people want to hear about."""
DEVICE = Told(
    "将删除：设备的登记、消息服务账号、归属和安装检查。保留：它测得的数据（属于老人）、报警和审计记录。",
    "Goes: the device's registration, its account of the broker, whose it was, its commissioning. "
    "Kept: what it has measured (the resident's), alerts and the audit trail.",
)
CONTACT = Told(
    "将删除：联系人。已经在发送的通知仍会发出。保留：报警及其通知记录、审计记录（只有编号）。",
    "Goes: the contact. What is already on its way is still sent. "
    "Kept: alerts with what was sent, and the audit trail, by the id.",
)


def goes(found: Removed) -> Told:
    """What the removal of a resident takes and what it keeps."""
    rows = [(TABLES[name], count) for name, count in (found.rows or {}).items() if name in TABLES]
    zh = ["个人资料和设置", *(f"{words.zh} {count}" for words, count in rows)]
    en = ["the person's data and settings", *(f"{count} {words.en}" for words, count in rows)]
    if found.history:
        zh.append("全部测量历史（由网关在两小时内删除；已转发到外部数据库的除外）")
        en.append("all measured history (by the gateway, within two hours; not what was forwarded elsewhere)")
    names = ", ".join(found.devices)
    devices = (f"设备不再属于任何人：{names}。", f"Nobody's from now on: {names}. ") if names else ("", "")
    kept = (
        "保留：报警及其通知记录、审计记录（只有编号）",
        "Kept: alerts with what was sent, and the audit trail, by the id",
    )
    return Told(f"将删除：{'、'.join(zh)}。{devices[0]}{kept[0]}", f"Goes: {'; '.join(en)}. {devices[1]}{kept[1]}")
