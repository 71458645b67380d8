"""ESPHome nodes over MQTT, and any sensor announced by Home Assistant discovery."""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.esphome.codec import EsphomeCodec
from device_drivers.esphome.meaning import SIGNALS_GIVEN

__all__ = ["DRIVER", "EsphomeCodec"]


def _account_topics(device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A node publishes below its own name and announces itself; it hears its commands and Home Assistant's birth."""
    node = device_id.removeprefix("esphome/").removeprefix("ha/")
    return (f"{node}/#", f"homeassistant/+/{node}/#"), (f"{node}/#", "homeassistant/status")


DRIVER = Driver(
    lost_after_s=26 * 3600.0,
    family="esphome",
    title_zh="ESPHome 节点与 Home Assistant 自动发现的传感器",
    title_en="ESPHome nodes and sensors announced by Home Assistant discovery",
    signal_lost_after_s=600.0,
    signals=SIGNALS_GIVEN,
    message=EsphomeCodec,
    account_topics=_account_topics,
    aliases=("home_assistant", "ha_discovery"),
    hint_zh="信号由名称或 device_class 决定；看不懂的实体会提示，可在选项 signals 中指定。ESPHome 中启用 mqtt 组件。",
    hint_en=(
        "Names or device classes decide the signal; entities that say neither are noted and can be told in `signals`. "
        "Enable ESPHome's mqtt component, with retained states."
    ),
)
