"""The health of the box by part, in words for people and numbers for machines: its own faults are never silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from device_drivers.contract import DRIVER_FAULT
from gateway.context import HealthItem
from gateway.engine_keeper import FAULT_QUIET_S
from gateway.sources import MqttSource
from gateway.tcp_source import TcpSource

if TYPE_CHECKING:
    from device_drivers.registry import BrokenDriver
    from gateway.alerts.recorder import AlertChange
    from gateway.broker.supervisor import Broker
    from gateway.pipeline import Pipeline
    from gateway.sources import Source
    from gateway.store.base import SeriesStore
    from gateway.store.influx_forwarder import InfluxForwarder

SILENT_TURN_S = 5.0
MAX_REJECTED_SHARE = 0.05
"""More than 5 % of frames rejected means a bad cable or the wrong baud rate."""
CLOCK_FLOOR_NS = 1_767_225_600 * 1_000_000_000
"""2026-01-01: a clock before this has lost its time."""


def broker_item(broker: Broker) -> HealthItem:
    """The embedded broker."""
    health = broker.health
    numbers = {"starts": float(health.starts), "adopted": float(health.adopted)}
    if health.running:
        return HealthItem("broker", True, "消息代理运行正常", "the broker is running", numbers)
    return HealthItem("broker", False, "消息代理停止，正在重启", "the broker is down and being restarted", numbers)


class Calm:
    """Tells whether a count of faults has been still for long enough to call the thing well again."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, float]] = {}

    def recent(self, name: str, count: int, now_s: float) -> bool:
        """Whether the count of this name has grown within the last `FAULT_QUIET_S`. now_s: monotonic."""
        known = self._last.get(name)
        if known is None or known[0] != count:
            known = self._last[name] = (count, now_s)
        return count > 0 and now_s - known[1] < FAULT_QUIET_S


def source_item(source: Source, calm: Calm | None = None, now_s: float = 0.0) -> HealthItem:
    """One way in: connection and decoding. calm: remembers since when its driver has made no mistake."""
    codec = source.codec.health
    rejected = sum(codec.rejected.values())
    numbers = {"frames": float(codec.frames), "rejected": float(rejected), "skipped_bytes": float(codec.skipped_bytes)}
    if isinstance(source, TcpSource):
        return _tcp_item(source, numbers)
    if isinstance(source, MqttSource):
        session = source.session.health
        numbers |= {"messages": float(session.messages), "dropped": float(session.dropped)}
    else:
        numbers |= {"bytes_in": float(source.line.health.bytes_in), "opens": float(source.line.health.opens)}
    name = source.name
    if not source.connected:
        return HealthItem(name, False, f"{name} 未连接", f"{name} is not connected", numbers)
    if isinstance(source, MqttSource) and source.session.health.unsubscribed:
        return HealthItem(
            name, False, f"{name} 订阅被消息代理拒绝", f"{name}: the broker refused a subscription", numbers
        )
    mistakes = codec.rejected[DRIVER_FAULT]
    numbers["driver_faults"] = float(mistakes)
    if mistakes and (calm is None or calm.recent(source.name, mistakes, now_s)):
        zh, en = f"{name} 驱动程序出错：{source.fault}", f"{name}: the driver failed: {source.fault}"
        return HealthItem(name, False, zh, en, numbers)
    if codec.frames + rejected > 100 and rejected > MAX_REJECTED_SHARE * (codec.frames + rejected):
        return HealthItem(name, False, f"{name} 数据错误过多", f"{name}: too many bad frames", numbers)
    return HealthItem(name, True, f"{name} 正常", f"{name} is well", numbers)


def _tcp_item(source: TcpSource, numbers: dict[str, float]) -> HealthItem:
    """A port for devices: those that knock and are not registered are named, so that they can be."""
    name, health = source.name, source.listener.health
    numbers |= {
        "connections": float(health.connections),
        "devices": float(source.online),
        "accepted": float(health.accepted),
        "refused": float(sum(health.refused.values()) + sum(source.refused.values())),
        "slowed": float(health.slowed),
        "bytes_in": float(health.bytes_in),
        "unsteady": float(len(source.flapping)),
    }
    if not source.connected:
        return HealthItem(name, False, f"{name} 端口未打开", f"{name}: the port is not open", numbers)
    if source.faults:
        wrong = "; ".join(f"{device}: {why}" for device, why in sorted(source.faults.items()))
        return HealthItem(name, False, f"{name} 设备有误：{wrong}", f"{name}: trouble with {wrong}", numbers)
    unknown = ", ".join(list(source.unknown)[-3:])
    zh = f"{name} 正常" + (f"；未登记的设备：{unknown}" if unknown else "")
    en = f"{name} is well" + (f"; not registered: {unknown}" if unknown else "")
    return HealthItem(name, True, zh, en, numbers)


def driver_item(broken: BrokenDriver) -> HealthItem:
    """A driver that is installed and cannot be used."""
    zh = f"驱动 {broken.name}（{broken.package}）无法使用：{broken.problem}"
    return HealthItem(f"driver:{broken.name}", False, zh, f"driver {broken} (cannot be used)", {})


def left_out_item(name: str, problem: str) -> HealthItem:
    """A way in that could not be made because of its driver: what it would hear is not heard."""
    zh, en = f"{name} 未启动，其设备收不到：{problem}", f"{name} is left out, its devices are not heard: {problem}"
    return HealthItem(name, False, zh, en, {})


def store_item(store: SeriesStore) -> HealthItem:
    """The history."""
    health = store.health()
    numbers = {"rows": float(health.rows), "bytes": float(health.bytes), "pending": float(health.pending)}
    if health.state == "ok":
        return HealthItem("store", True, "历史记录正常", "the history is being written", numbers)
    return HealthItem("store", False, "历史记录写不进磁盘", "the history cannot be written to the disk", numbers)


def failing_item(name: str) -> HealthItem:
    """A periodic duty of the gateway that fails now: "deadlines", "history", "polling", "registry" ..."""
    return HealthItem(
        f"duty:{name}", False, f"例行工作 {name} 失败，正在重试", f"the duty {name} fails and is tried again", {}
    )


def forwarder_item(forwarder: InfluxForwarder) -> HealthItem:
    """Forwarding of the history."""
    health = forwarder.health()
    numbers = {"rows": float(health.rows), "lag_rows": float(health.lag_rows), "lag_s": health.lag_s}
    if health.state in {"idle", "sending"}:
        return HealthItem("influx", True, "历史转发正常", "the history is being forwarded", numbers)
    return HealthItem(
        "influx", False, "历史转发中断，数据保留在本机", "forwarding is down; the data waits here", numbers
    )


def home_assistant_item(connected: bool) -> HealthItem:
    """The session that tells Home Assistant."""
    if connected:
        return HealthItem("home_assistant", True, "Home Assistant 同步正常", "Home Assistant is being told", {})
    return HealthItem("home_assistant", False, "Home Assistant 同步中断", "Home Assistant is not being told", {})


def pipeline_item(pipeline: Pipeline, now_s: float) -> HealthItem:
    """The heart: is it turning, and has it had faults. now_s: monotonic."""
    health = pipeline.health
    last_turn_age_s = now_s - health.last_turn_s
    numbers = {
        "observations": float(health.observations),
        "engine_faults": float(health.engine_faults),
        "held": float(pipeline.held_messages),
        "last_turn_s": last_turn_age_s,
    }
    if pipeline.unsaved_findings:
        return HealthItem("pipeline", False, "报警写不进磁盘", "alerts cannot be written to the disk", numbers)
    if last_turn_age_s > SILENT_TURN_S:
        return HealthItem("pipeline", False, "分析停滞", "the analysis has stalled", numbers)
    if pipeline.keeper.faults.recent(now_s):
        return HealthItem("pipeline", False, "分析出现过内部故障", "the analysis has had an internal fault", numbers)
    return HealthItem("pipeline", True, "分析运行正常", "the analysis is running", numbers)


def clock_item(now_ns: int) -> HealthItem:
    """The wall clock."""
    numbers = {"utc_s": now_ns / 1e9}
    if now_ns >= CLOCK_FLOOR_NS:
        return HealthItem("clock", True, "时钟正常", "the clock is plausible", numbers)
    return HealthItem("clock", False, "时钟不对", "the clock is wrong", numbers)


def alert_event(change: AlertChange) -> dict[str, Any]:
    """A change of an alert as the live stream carries it."""
    alert = change.alert
    return {
        "alert_id": alert.id,
        "kind": alert.kind,
        "resident_id": alert.resident_id,
        "priority": int(alert.priority),
        "state": alert.state.value,
        "revision": alert.revision,
        "entries": [{"type": entry.type.value, "at_ns": entry.at_ns, "who": entry.who} for entry in change.entries],
    }
