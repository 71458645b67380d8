"""`yinling decode`: what any captured frame or message means, one JSON line for each observation."""

from __future__ import annotations

import json
import re
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from device_drivers.contract import DRIVER_FAULT, DriverFaultError, make_message, make_stream, sound, where
from device_drivers.observations import Observation, Reading, Samples
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS
from gateway.cli import BAD_ANSWER, CANNOT, app, errors
from gateway.config import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_drivers.codec import Codec, StreamCodec

Made = TypeVar("Made")
_MARKS = re.compile(r"0x|\\x|[:,;_-]", re.IGNORECASE)


@app.command()
def decode(
    family: Annotated[str, typer.Argument(help="Device family, for example micradar")],
    hex_text: Annotated[str | None, typer.Option("--hex", help="Bytes of a serial stream, as hex")] = None,
    topic: Annotated[str | None, typer.Option(help="MQTT topic")] = None,
    payload: Annotated[
        str | None, typer.Option(help="MQTT payload, or a line of a serial stream: text, or hex:... for bytes")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="Option of the family, as in the configuration: maker=contec")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings file: with the options it has for an MQTT family")
    ] = None,
) -> None:
    """Decode a captured frame: JSON lines of observations, notes and rejections. Exit 1 if anything was rejected.

    Serial streams: --hex BYTES, or --payload TEXT for those that send text. MQTT: --topic and --payload. Bluetooth
    families also take bare bytes, --hex BYTES: a whole advertisement, service data or a GATT value; --topic names the
    service or characteristic where the bytes do not tell it by themselves: --topic 2A37. LoRaWAN payloads likewise:
    --topic names model, port or both: --topic WS301, --topic TRACKERD/7.
    """
    driver = find_driver(family)
    now_ns = time.time_ns()
    options = {**driver.show_all, **_configured(config, driver.family), **_options(option or [])}
    codec: Codec
    if driver.stream is not None and topic is None and (hex_text is not None or payload is not None):
        raw = _bytes(hex_text) if hex_text is not None else _payload(payload or "")
        stream = _made(lambda: make_stream(driver, "device", options))
        codec, observations = stream, _heard(stream, raw, lambda: _all_of(stream, raw, now_ns))
        _say_something(codec, observations, "incomplete", raw)
    elif driver.message is not None and (hex_text is not None or payload is not None):
        raw = _bytes(hex_text) if hex_text is not None else _payload(payload or "")
        message = _made(lambda: make_message(driver, options))
        codec, observations = message, _heard(message, raw, lambda: message.feed(topic or "", raw, now_ns))
        _say_something(codec, observations, "nothing_to_say", raw)
    else:
        ways = [
            *(["--hex or --payload"] if driver.stream else []),
            *(["--topic and --payload"] if driver.message else []),
        ]
        errors.print(f"yinling: {driver.family} takes {' or '.join(ways)}")
        raise typer.Exit(CANNOT)
    for line in (*map(_observation, observations), *_notes(codec), *_rejections(codec)):
        typer.echo(json.dumps(line, ensure_ascii=False, default=str))
    if codec.rejections:
        raise typer.Exit(BAD_ANSWER)


def _say_something(codec: Codec, observations: list[Observation], reason: str, raw: bytes) -> None:
    """Whoever looks at a capture hears of it, also where a frame says nothing that is worth telling."""
    if observations or codec.notes or codec.rejections:
        return
    if codec.health.frames:
        codec.note("report", "", frames=codec.health.frames, says="nothing")
    else:
        codec.reject(reason, raw)


def _made(make: Callable[[], Made]) -> Made:
    try:
        return make()
    except (ValueError, DriverFaultError) as error:
        errors.print(f"yinling: {'--option ' if isinstance(error, ValueError) else ''}{error}", highlight=False)
        raise typer.Exit(CANNOT) from error


def _all_of(stream: StreamCodec, raw: bytes, now_ns: int) -> list[Observation]:
    found = stream.feed(raw, now_ns)
    return [*found, *stream.finish(now_ns)] if isinstance(found, list) else found


def _heard(codec: Codec, raw: bytes, feed: Callable[[], list[Observation]]) -> list[Observation]:
    """What the codec gives. A driver's mistake is a rejection, as in the gateway, and its author sees where."""
    try:
        found = feed()
    except Exception as error:  # noqa: BLE001 - a driver may raise anything
        errors.print(traceback.format_exc(), highlight=False)
        codec.reject(DRIVER_FAULT, raw, error=where(error))
        return []
    return sound(found, lambda problem: codec.reject(DRIVER_FAULT, raw, error=problem))


def _configured(config: Path | None, family: str) -> dict[str, Any]:
    return load_settings(config).drivers.get(family, {}) if config is not None else {}


def _options(texts: list[str]) -> dict[str, Any]:
    pairs = [text.partition("=") for text in texts]
    return {name: _value(text) for name, _, text in pairs}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _bytes(text: str) -> bytes:
    """Hexadecimal digits as people and tools write them: 5359, 53 59, 53:59, 0x53 or with a backslash."""
    try:
        return bytes.fromhex(_MARKS.sub(" ", text))
    except ValueError as error:
        errors.print(f"yinling: --hex is not hexadecimal: {error}")
        raise typer.Exit(CANNOT) from error


def _payload(text: str) -> bytes:
    return _bytes(text.removeprefix("hex:")) if text.startswith("hex:") else text.encode()


def _observation(one: Observation) -> dict[str, Any]:
    line: dict[str, Any] = {"device": one.device_id, "signal": one.signal, "unit": SIGNALS[one.signal].unit}
    if isinstance(one, Samples):
        line |= {"kind": "samples", "rate_hz": one.rate_hz, "full_scale": one.full_scale}
        line |= {"values": [[round(float(v), 6) for v in row] for row in one.values]}
    else:
        line |= {"kind": "reading" if isinstance(one, Reading) else "event", "value": one.value}
        if not isinstance(one, Reading):
            line |= {"repeat": one.repeat, "token": one.token}
    return line | {"quality": one.quality, "stored": one.stored, "at_ns": one.at_ns, "received_ns": one.received_ns}


def _notes(codec: Codec) -> list[dict[str, Any]]:
    return [{"kind": "note", "note": n.kind, "device": n.device_id, **n.fields} for n in codec.notes]


def _rejections(codec: Codec) -> list[dict[str, Any]]:
    return [
        {
            "kind": "rejected",
            "error": one.reason,
            **{"detail" if name == "error" else name: value for name, value in one.detail.items()},
            "raw": one.raw.hex(" "),
        }
        for one in codec.rejections
    ]
