"""The audit trail in words: who saw, who acknowledged, what was sent; in Chinese and English. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.audit import AuditEntry

Words = tuple[str, str]

ACTORS: Mapping[str, Words] = {
    "system": ("系统", "the system"),
    "analytics": ("检测", "the detection"),
}
ACTIONS: Mapping[str, Words] = {
    "alert.opened": ("发现并记录了报警", "found and recorded the alert"),
    "alert.raised": ("发出了报警", "raised the alert"),
    "alert.confirmed": ("确认了报警", "confirmed the alert"),
    "alert.folded": ("并入了同一报警", "added to the alert"),
    "alert.cleared": ("报告原因已消失", "reported that the cause had gone"),
    "alert.delivered": ("记录报警已送达", "recorded that the alert was delivered"),
    "alert.repeated": ("再次通知了所有人", "told everybody again"),
    "alert.escalated": ("通知了下一步的人", "told the next step"),
    "alert.reopened": ("因未处理完再次报警", "raised it again, it was not resolved in time"),
    "alert.no_route": ("没有找到可通知的人", "found nobody to tell"),
    "alert.held": ("暂缓通知", "kept it back"),
    "alert.prompted": ("现场询问或应答", "asked or answered on the spot"),
    "alert.acknowledged": ("接了报警", "acknowledged the alert"),
    "alert.en_route": ("出发了", "set out"),
    "alert.on_scene": ("到场了", "arrived"),
    "alert.resolved": ("结束了报警", "resolved the alert"),
    "alert.cancelled": ("取消了报警", "cancelled the alert"),
    "dispatch.accepted": ("把 {event} 送达 {contact}（{channel}）", "sent {event} to {contact} ({channel})"),
    "dispatch.replayed": ("重新发送了消息", "had a message sent again"),
    "escalation.put": ("修改了升级方案（版本 {version}）", "changed the escalation plan (version {version})"),
    "paused.begun": ("暂停了 {kind} 报警 {seconds} 秒", "paused {kind} for {seconds} s"),
    "paused.ended": ("结束了暂停", "ended a pause"),
    "maintenance.begun": ("开始维护 {seconds} 秒", "began maintenance for {seconds} s"),
    "maintenance.ended": ("结束了维护", "ended maintenance"),
    "device.assigned": ("把设备分配给 {resident}", "gave the device to {resident}"),
    "device.credentials": ("更换了设备密码", "changed the device's password"),
    "consent.given": ("登记了同意（{purpose}）", "wrote down a consent ({purpose})"),
    "consent.withdrawn": ("登记了撤回同意（{purpose}）", "wrote down that a consent was withdrawn ({purpose})"),
    "prompt.link": ("查看了平板链接", "saw the tablet's link"),
}
VERBS: Mapping[str, Words] = {
    "read": ("查看了", "looked at"),
    "listed": ("查看了列表", "looked at the list"),
    "previewed": ("试算了通知对象", "played through who would be told"),
    "added": ("新增了", "added"),
    "created": ("创建了", "created"),
    "updated": ("修改了", "changed"),
    "changed": ("修改了", "changed"),
    "revoked": ("停用了", "revoked"),
    "removed": ("移除了", "removed"),
    "erased": ("删除了历史数据", "erased the history of"),
    "put": ("保存了", "stored"),
}
"""The last word of an action that is not in the table above."""


class _Known(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "?"


def sentence(entry: AuditEntry, names: Mapping[str, str]) -> Words:
    """Who did what to what. names: of "key:ID", "resident:ID" and "alert:ID" for people; others stay as they are."""
    zh, en = _action(entry)
    subject = names.get(entry.subject, entry.subject)
    who = ACTORS.get(entry.actor) or (names.get(entry.actor, entry.actor),) * 2
    return f"{who[0]} {zh}：{subject}", f"{who[1]} {en}: {subject}"


def _action(entry: AuditEntry) -> Words:
    known = ACTIONS.get(entry.action)
    if known is not None:
        facts = _Known(entry.detail)
        return known[0].format_map(facts), known[1].format_map(facts)
    stem, _, verb = entry.action.rpartition(".")
    if entry.action.startswith("api.alert."):
        return f"通过接口应答（{verb}）", f"answered through the API ({verb})"
    if verb in VERBS:
        return f"{VERBS[verb][0]} {stem}", f"{VERBS[verb][1]} {stem}"
    return entry.action, entry.action
