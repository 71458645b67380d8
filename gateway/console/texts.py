"""Every text of the console, in both languages, in one table.

Names of kinds, signals and parts of the box come from their own tables; everything else a person reads is here.
`{...}` marks what is filled in. Keys of a family ("look.", "state.", "outcome.", ...) end in the machine word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Say = Callable[..., str]

LANGUAGES = ("zh-CN", "en")


class Text(NamedTuple):
    """One text in Chinese and in English."""

    zh: str
    en: str


def _family(prefix: str, rows: Mapping[str, tuple[str, str]]) -> dict[str, Text]:
    return {f"{prefix}.{name}": Text(*row) for name, row in rows.items()}


TEXTS: Mapping[str, Text] = {
    "app.title": Text("银龄监护", "Yinling"),
    "app.not_medical": Text("非医疗器械", "Not a medical device"),
    "app.not_medical_long": Text(
        "非医疗器械：不能代替医护人员的判断，紧急情况请直接呼叫急救。",
        "Not a medical device: it does not replace trained judgement. In an emergency call the ambulance yourself.",
    ),
    "app.other_language": Text("English", "中文"),
    "app.menu": Text("菜单", "Menu"),
    "app.logout": Text("退出", "Log out"),
    "app.who": Text("{person}（{key}）", "{person} ({key})"),
    "app.box_time": Text("网关时间", "Box time"),
    "theme.auto": Text("明暗：自动", "Colours: automatic"),
    "theme.light": Text("明暗：浅色", "Colours: light"),
    "theme.dark": Text("明暗：深色", "Colours: dark"),
    "sound.on": Text("声音：开", "Sound: on"),
    "sound.off": Text("声音：关", "Sound: off"),
    "login.title": Text("登录", "Log in"),
    "login.key": Text("访问密钥", "Access key"),
    "login.person": Text("您的姓名", "Your name"),
    "login.person_why": Text("您处理报警时会记录此姓名。", "It is written into the record when you answer an alert."),
    "login.send": Text("登录", "Log in"),
    "login.refused": Text(
        "密钥不正确或已停用。请核对后重试，或向管理员索取。",
        "This key is wrong or has been withdrawn. Check it and try again, or ask the administrator for one.",
    ),
    "login.nameless": Text("请填写您的姓名。", "Please give your name."),
    "login.wait": Text("尝试次数过多，请一分钟后再试。", "Too many attempts. Please wait a minute."),
    "login.foreign": Text(
        "请求来自其他网站，已拒绝。请在本页登录。", "The request came from another site and was refused. Log in here."
    ),
    "login.box_fault": Text(
        "网关暂时无法核对密钥。请稍后重试，并告知管理员。",
        "The box cannot check keys at the moment. Try again shortly and tell the administrator.",
    ),
    "enter.title": Text("正在进入…", "Entering…"),
    "enter.no_script": Text("请启用 JavaScript，或改用密钥登录。", "Turn JavaScript on, or log in with a key."),
    "enter.used": Text(
        "此登录链接已用过或已过期。请用密钥登录。",
        "This login link has been used or has run out. Log in with a key.",
    ),
    "link.lost": Text(
        "与网关失去连接 {seconds} 秒。下面显示的不是当前情况，请直接去看望老人。",
        "No connection to the box for {seconds} s. What you see is not current: go and look.",
    ),
    "fault.board": Text(
        "网关读不到报警记录，下面的报警可能不全：{error}",
        "The box cannot read its alerts, the list below may be incomplete: {error}",
    ),
    "fault.registry": Text(
        "网关读不到老人和设备名单，下面的名单可能不全：{error}",
        "The box cannot read its residents and devices, the cards below may be incomplete: {error}",
    ),
    "fault.health": Text("网关无法检查自身状态：{error}", "The box cannot check itself: {error}"),
    "fault.view": Text("显示出错，请查看日志：{error}", "The display failed, see the log: {error}"),
    "alerts.title": Text("待处理报警", "Open alerts"),
    "alerts.none": Text("没有待处理的报警", "No open alerts"),
    "alerts.none_known": Text("还没有读到报警记录", "Alerts have not been read yet"),
    "alerts.since": Text("{clock} 起，已 {duration}", "since {clock}, {duration}"),
    "alerts.count": Text("{count} 次", "{count} times"),
    "alerts.test": Text("测试", "Test"),
    "alerts.countdown": Text("{seconds} 秒后通知联系人", "Contacts are told in {seconds} s"),
    "alerts.countdown_over": Text("正在通知联系人", "Telling the contacts now"),
    "alerts.repeats": Text("已再次通知 {count} 遍", "told again {count} times"),
    "alerts.site": Text("本站点", "This site"),
    "alerts.device": Text("设备 {name}", "Device {name}"),
    "alerts.more": Text("另有 {count} 条未显示", "{count} more not shown"),
    "residents.title": Text("老人", "Residents"),
    "residents.none": Text(
        "还没有登记老人。登记后会显示在这里。", "No residents yet. They appear here once they are registered."
    ),
    "card.room": Text("房间 {room}", "Room {room}"),
    "card.no_device": Text("没有分配设备", "No device assigned"),
    "card.silent": Text("没有当前数据", "No current data"),
    "card.heard": Text("最近收到 {age}", "last heard {age}"),
    "card.never_heard": Text("从未收到数据", "never heard"),
    "trace.title": Text("加速度，最近 12 秒", "Acceleration, last 12 s"),
    "trace.none": Text("加速度：最近 12 秒没有数据", "Acceleration: nothing in the last 12 s"),
    "trace.top": Text("{g} g", "{g} g"),
    "age.now": Text("刚刚", "now"),
    "age.seconds": Text("{n} 秒前", "{n} s ago"),
    "age.minutes": Text("{n} 分钟前", "{n} min ago"),
    "age.hours": Text("{n} 小时前", "{n} h ago"),
    "age.days": Text("{n} 天前", "{n} d ago"),
    "age.unknown": Text("时间不明", "time unknown"),
    "duration.minutes": Text("{n} 分钟", "{n} min"),
    "duration.hours": Text("{n} 小时", "{n} h"),
    "duration.long": Text("{hours} 小时 {minutes} 分", "{hours} h {minutes} min"),
    "health.title": Text("网关状态", "Box health"),
    "health.ok": Text("正常", "OK"),
    "health.fault": Text("故障", "Fault"),
    "health.well": Text("正常的部分：{count}", "Working parts: {count}"),
    "health.all_ok": Text("网关各部分正常", "All parts of the box are working"),
    "health.faults": Text("网关有 {count} 处故障", "Faults on the box: {count}"),
    "health.none": Text("网关没有报告自身状态", "The box reports nothing about itself"),
    "devices.link": Text("设备", "Devices"),
    "devices.back": Text("看板", "Board"),
    "devices.title": Text("设备", "Devices"),
    "devices.none": Text("还没有登记设备。", "No devices yet."),
    "devices.none_known": Text("还没有读到设备名单", "Devices have not been read yet"),
    "devices.no_match": Text("没有符合的设备", "No device fits"),
    "devices.find": Text("查找：名称、编号、房间、老人", "Find: name, id, room, resident"),
    "devices.more": Text("另有 {count} 台未显示，请查找", "{count} more not shown: use Find"),
    "devices.open_alerts": Text("待处理报警：{count}", "Open alerts: {count}"),
    "devices.unknown_title": Text("未登记的设备", "Not registered"),
    "devices.unknown_why": Text(
        "它们在发送数据或请求连接，但没有登记，因此不监护任何人。登记命令：",
        "They send or ask to connect and are registered nowhere, so they watch over nobody. To register one:",
    ),
    "devices.unknown_none": Text("没有", "None"),
    "devices.knocks": Text("请求连接，被拒绝", "asks to connect, is refused"),
    "device.details": Text("详情", "Details"),
    "device.less": Text("收起", "Less"),
    "device.id": Text("编号 {id}", "Id {id}"),
    "device.nobodys": Text("未分配", "not assigned"),
    "device.rejected": Text("无法解码 {count} 次", "not decoded: {count}"),
    "device.connected": Text("已连接", "connected"),
    "device.disconnected": Text("未连接", "not connected"),
    "device.way": Text("接入方式", "Way in"),
    "device.limit": Text("允许静默 {duration}", "may be silent for {duration}"),
    "device.no_limit": Text("只在使用时发送数据", "sends only when it is used"),
    "device.clock": Text("设备时钟超前 {n} 秒", "its clock is {n} s ahead"),
    "device.signals": Text("信号", "Signals"),
    "device.no_signals": Text("还没有数据", "No data yet"),
    "device.wave": Text("波形", "waveform"),
    "device.tests": Text("安装检查", "Commissioning"),
    "device.tests_none": Text("此类设备没有检查步骤", "This kind of device has no steps to try"),
    "device.test_seen": Text("通过", "passed"),
    "device.test_missed": Text("没有收到", "not seen"),
    "device.test_untried": Text("未做", "not tried"),
    "device.hint": Text("安装提示", "For the installer"),
    "device.raw": Text("无法解码的原始数据", "Bytes not decoded"),
    "device.raw_less": Text("收起原始数据", "Hide the bytes"),
    "device.raw_none": Text("没有保留原始数据", "No bytes were kept"),
    "device.raw_fault": Text(
        "网关无法记录这次读取，请稍后重试", "The box cannot record this reading, try again shortly"
    ),
    "dialog.title": Text("结束报警：实际情况是什么？", "Resolve: what was it really?"),
    "dialog.note": Text("备注（可不填）", "Note (optional)"),
    "dialog.person": Text("处理人姓名", "Your name"),
    "dialog.send": Text("结束报警", "Resolve"),
    "dialog.back": Text("返回", "Back"),
    "dialog.choose": Text("请选择实际情况。", "Choose what it was."),
    "answer.done": Text("已记录", "Recorded"),
    "answer.refused": Text("没有记录：{reason}", "Not recorded: {reason}"),
    "answer.moved": Text("报警列表刚刚变动，请再按一次", "The list has just moved: please press again"),
    "answer.closed": Text("此报警已经结束", "the alert is closed already"),
    "answer.nameless": Text("请填写姓名", "a name is needed"),
    "answer.unknown": Text("没有这条报警", "there is no such alert"),
    "answer.not_allowed": Text("您的密钥不能处理报警", "your key may not answer alerts"),
    "answer.box_fault": Text(
        "网关写不进数据库，请重试；仍不行请打电话",
        "the box could not write to its database; try again, then telephone",
    ),
    "answer.read_only": Text("仅查看", "View only"),
    **_family(
        "look",
        {
            "calm": ("平安", "Calm"),
            "attention": ("留意", "Attention"),
            "alarm": ("报警", "Alarm"),
            "unknown": ("未知", "Unknown"),
        },
    ),
    **_family(
        "state",
        {
            "suspected": ("疑似", "Suspected"),
            "raised": ("无人应答", "Nobody has answered"),
            "delivered": ("已送达，无人应答", "Delivered, nobody has answered"),
            "acknowledged": ("{who} 已接手", "Taken by {who}"),
            "en_route": ("{who} 在路上", "{who} is on the way"),
            "on_scene": ("{who} 已到场", "{who} is there"),
            "resolved": ("已结束", "Resolved"),
            "cancelled": ("已取消", "Cancelled"),
        },
    ),
    **_family(
        "priority",
        {"1": ("高", "High"), "2": ("中", "Medium"), "3": ("低", "Low")},
    ),
    **_family(
        "action",
        {
            "acknowledge": ("我来处理", "I take it"),
            "en_route": ("我在路上", "On my way"),
            "on_scene": ("我已到场", "I am there"),
            "resolve": ("结束报警…", "Resolve…"),
            "cancel": ("我没事，取消", "I am fine, cancel"),
        },
    ),
    **_family(
        "outcome",
        {
            "real_fall": ("确实跌倒", "Real fall"),
            "real_help": ("确实需要帮助", "Help was needed"),
            "false_alarm": ("误报", "False alarm"),
            "test": ("测试", "Test"),
            "recovered": ("已自行恢复", "Recovered by itself"),
            "other": ("其他", "Other"),
        },
    ),
    **_family(
        "quality",
        {
            "poor": ("信号差", "poor signal"),
            "no_contact": ("未接触", "no contact"),
            "invalid": ("设备无读数", "no reading"),
            "out_of_range": ("读数不合理", "implausible"),
        },
    ),
    **_family("unit", {"/min": ("次/分", "/min"), "%": ("%", "%"), "Cel": ("°C", "°C")}),
    **_family(
        "fact",
        {
            "worn_true": ("已佩戴", "worn"),
            "worn_false": ("未佩戴", "not worn"),
            "bed_in": ("在床", "in bed"),
            "bed_left": ("离床", "out of bed"),
            "bed_none": ("无人在床", "bed empty"),
            "presence_true": ("室内有人", "somebody in the room"),
            "presence_false": ("室内无人", "nobody in the room"),
            "battery": ("电量 {n}%", "battery {n}%"),
        },
    ),
    **_family(
        "standing",
        {
            "fault": ("故障", "Fault"),
            "unknown": ("未知", "Unknown"),
            "notice": ("留意", "Check"),
            "ok": ("正常", "OK"),
            "unused": ("停用", "Not in use"),
        },
    ),
    **_family(
        "told",
        {
            "step": ("第 {step}/{steps} 步", "step {step} of {steps}"),
            "next": ("下一步 {clock}", "next step at {clock}"),
            "number": ("已通知 {arrived}/{all} 人", "{arrived} of {all} told"),
            "nobody": ("尚未通知任何人", "nobody has been told yet"),
            "reopened": ("未处理完，再次报警 {count} 次", "not resolved, raised again ×{count}"),
            "assist": ("助急服务", "Assistance service"),
            "told": ("已送达", "delivered"),
            "answered": ("已应答", "answered"),
            "waiting": ("未送达，重试中", "not delivered yet, trying"),
            "dead": ("无法送达", "cannot be delivered"),
        },
    ),
    **_family(
        "held",
        {
            "paused": ("已暂停至 {clock}", "paused until {clock}"),
            "maintenance": ("维护中，至 {clock}", "in maintenance until {clock}"),
            "grouped": ("并入成批报警", "part of a flood"),
            "limited": ("频繁重复，暂不通知，至 {clock}", "comes too often, held until {clock}"),
        },
    ),
    **_family(
        "duty",
        {
            "on_call": ("现在值班", "On call now"),
            "nobody": ("无人值班", "nobody"),
            "paused": ("暂停：{whom}，至 {clock}（{reason}）", "Paused: {whom} until {clock} ({reason})"),
            "maintenance": ("维护：{whom}，至 {clock}（{reason}）", "Maintenance: {whom} until {clock} ({reason})"),
        },
    ),
    **_family(
        "missing",
        {
            "title": ("没有这个页面", "There is no such page"),
            "why": ("地址可能写错了，或者页面已经不在了。", "The address may be mistyped, or the page is gone."),
            "board": ("回到看板", "To the board"),
        },
    ),
    **_family(
        "statistics",
        {
            "title": ("报警统计", "Alarm statistics"),
            "csv": ("下载表格（CSV）", "Table (CSV)"),
            "print": ("打印版", "For printing"),
            "carers": ("同时在岗的护理员人数", "Carers at a time"),
            "count": ("重新计算", "Count again"),
            "back": ("返回", "Back"),
        },
    ),
    **_family(
        "care",
        {
            "title": ("照护与睡眠", "Care and sleep"),
            "tasks": ("照护任务", "Care tasks"),
            "no_tasks": ("没有任务", "none"),
            "habits": ("生活习惯", "Habits"),
            "tick": ("已完成", "Done"),
            "no_history": ("历史数据暂时无法读取", "The history cannot be read at the moment"),
            "link": ("照护", "Care"),
            "overdue": ("该做而未做", "Overdue"),
        },
    ),
    **_family(
        "plan",
        {
            "title": ("照护计划", "Care plan"),
            "add": ("新增任务", "Add a task"),
            "change": ("修改任务", "Change the task"),
            "edit": ("修改", "Change"),
            "remove": ("删除", "Remove"),
            "save": ("保存", "Save"),
            "kind": ("种类", "Kind"),
            "label": ("具体内容（例：降压药 1 片）", "What exactly (such as: 1 tablet for blood pressure)"),
            "when": ("什么时候", "When"),
            "way.times": ("每天的固定时刻", "at times of the day"),
            "way.every": ("每隔若干分钟", "every so many minutes"),
            "way.week": ("每周一次", "once a week"),
            "way.month": ("每月一次", "once a month"),
            "times": ("时刻（可多个，用空格分开）", "Times (several with spaces between)"),
            "every": ("每隔多少分钟", "Minutes between"),
            "every_words": ("每 {n} 分钟", "every {n} min"),
            "from": ("从（可不填）", "From (optional)"),
            "to": ("到（可不填）", "To (optional)"),
            "days": ("星期", "Days"),
            "grace": ("过多少分钟算漏", "Missed after so many minutes"),
            "device": ("只认这台设备（编号，可不填）", "Only this device counts (its id, optional)"),
            "remind": ("到时提醒", "Remind when it is due"),
            "no_kind": ("请选择种类。", "Choose a kind."),
            "no_way": ("请选择什么时候。", "Say when."),
            "no_day": ("请至少选一天。", "Choose at least one day."),
            "no_time": ("请填写时刻，例如 08:00。", "Give a time, such as 08:00."),
            "bad_time": ("时刻请写成 08:00 的样子。", "Write times such as 08:00."),
            "no_number": ("分钟数请写成数字。", "Write minutes as a number."),
            "gone": ("这项任务刚被别人删除。请重新新增。", "Somebody has just removed this task. Add it anew."),
            "wrong": ("没有保存：", "Not saved:"),
        },
    ),
    **_family(
        "zones",
        {
            "title": ("安全区域", "Safe zones"),
            "about": (
                "写出老人的定位牌可以在的房间。在别的房间（如大门、楼梯）超过时限，或哪里都听不到，就报警。",
                "Where the resident's tag may be. Too long in another room (gate, stairs), or heard in none: an alert.",
            ),
            "off_now": ("没有设置，不监测。", "None: not watched."),
            "begin": ("开始监测", "Begin to watch"),
            "change": ("修改", "Change"),
            "rooms": ("可以在的房间", "Rooms that are safe"),
            "more": (
                "其他房间（与接收器上的名字相同，用逗号分开）",
                "Other rooms (as the receivers call them, with commas between)",
            ),
            "delay": ("在别的房间多少分钟就报（0＝不报）", "Minutes in another room until it is told (0: never)"),
            "unseen": ("哪里都听不到多少分钟就报（0＝不报）", "Minutes heard nowhere until it is told (0: never)"),
            "delay_now": ("在别的房间 {n} 分钟就报", "told after {n} min in another room"),
            "delay_never": ("在别的房间不报", "another room is not told"),
            "unseen_now": ("哪里都听不到 {n} 分钟就报", "told after {n} min heard nowhere"),
            "unseen_never": ("听不到不报", "heard nowhere is not told"),
            "unheard": ("还没有接收器报过这个名字，请核对", "no receiver has named it yet: check the spelling"),
            "none_chosen": (
                "请至少选一个房间。要停止，请用“停止监测”。",
                'Choose a room. To end it, use "Stop watching".',
            ),
            "last": (
                "这是最后一个房间。要停止，请用“停止监测”。",
                'This is the last room. To end it, use "Stop watching".',
            ),
            "off": ("停止监测…", "Stop watching…"),
            "off_why": (
                "所有房间都会删去：老人走出大门将不再报警。时限会保留。",
                "All rooms are removed: nothing is told any more when the resident walks out. The spans stay.",
            ),
            "off_sure": ("停止监测", "Stop watching"),
        },
    ),
    **_family(
        "removal",
        {
            "title": ("移除老人", "Removal"),
            "open": ("移除这位老人…", "Remove this resident…"),
            "alert": (
                "还有没有结束的报警，结束以后才能移除。",
                "An alert about the resident is open: it has to be resolved first.",
            ),
            "away": (
                "只是暂时离开的，请不要移除，让管理员设为停用，资料会保留。",
                "Who is away and may come back is not removed: the administrator takes them out of use, nothing goes.",
            ),
            "tick": ("我知道这不能撤销", "I know that this cannot be undone"),
            "sure": ("移除", "Remove for ever"),
        },
    ),
    **_family(
        "day",
        {
            "mon": ("周一", "Mon"),
            "tue": ("周二", "Tue"),
            "wed": ("周三", "Wed"),
            "thu": ("周四", "Thu"),
            "fri": ("周五", "Fri"),
            "sat": ("周六", "Sat"),
            "sun": ("周日", "Sun"),
        },
    ),
    **_family(
        "consent",
        {
            "title": ("同意书", "Consents"),
            "stands": ("已同意（{day}）", "agreed to ({day})"),
            "ended": ("已撤回（{day}）", "withdrawn ({day})"),
            "never": ("未同意", "not agreed to"),
            "give": ("登记同意", "Agreed to"),
            "withdraw": ("撤回同意", "Withdrawn"),
        },
    ),
    **_family(
        "run",
        {
            "open": ("待做", "to do"),
            "due": ("到时", "due now"),
            "missed": ("漏做", "missed"),
            "done": ("已做", "done"),
            "late": ("迟做", "done late"),
            "skipped": ("免做", "skipped"),
            "dropped": ("已取消", "cancelled"),
            "unknown": ("未知", "unknown"),
        },
    ),
    **_family("value", {"true": ("是", "yes"), "false": ("否", "no"), "derived": ("网关推算", "computed by the box")}),
    **_family(
        "part",
        {
            "broker": ("消息服务", "Message broker"),
            "serial": ("串口", "Serial line"),
            "mqtt": ("MQTT 连接", "MQTT session"),
            "tcp": ("TCP 端口", "TCP port"),
            "store": ("历史数据", "History"),
            "outbox": ("待发通知", "Outbox"),
            "clock": ("时钟", "Clock"),
            "pipeline": ("检测", "Detection"),
            "alerts": ("报警", "Alerts"),
            "database": ("数据库", "Database"),
            "influx": ("数据转发", "Forwarding"),
            "disk": ("磁盘", "Disk"),
            "clock_sync": ("对时", "Time synchronisation"),
            "heartbeat": ("心跳", "Heartbeat"),
            "channel": ("通知通道", "Channel"),
            "driver": ("设备驱动", "Driver"),
            "duty": ("例行工作", "Duty"),
            "home_assistant": ("Home Assistant", "Home Assistant"),
        },
    ),
}


def speaker(language: str) -> Say:
    """`say(key, **filled)` in one language; an unknown language speaks Chinese. Raises KeyError for an unknown key."""
    column = 1 if language == "en" else 0

    def say(key: str, /, **filled: object) -> str:
        return TEXTS[key][column].format(**filled)

    return say
