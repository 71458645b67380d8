"""The wearable: reads the sensor, makes frames, sends them. `main()` runs it on a board.

`Wearable` and `Sender` know the board only through `board.Board`'s methods and run unchanged on CPython.
"""

from . import frame, parts, sensors

SILENCE_US = 2 * parts.SECOND
STATUS_US = 60 * parts.SECOND
IDENTITY_US = 3600 * parts.SECOND


class Light:
    """The pulse sensor beside the accelerometer; made anew when it stopped to answer or to give samples.

    make: gives the sensor, or None where the board has none.
    """

    def __init__(self, make):
        self._make = make
        self._sensor = None
        self._beside = None
        self._absent = False
        self._heard = None
        self._made = 0

    def read(self, now):
        """To be called after the accelerometer was read, so that the light of its last sample is there too."""
        if self._absent:
            return
        if self._heard is None:
            self._heard = now
        try:
            if self._sensor is None:
                self._sensor = self._make()
                self._absent = self._sensor is None
                if self._absent:
                    return
                self._beside = parts.Beside(self._sensor.rate_mhz, self._sensor.channels)
                self._made = now
            counts, lost = self._sensor.read_block()
        except (OSError, sensors.SensorError):
            self._sensor = None
            return
        self._beside.hold(counts, now, lost)
        if counts:
            self._heard = now
        elif now - max(self._heard, self._made) >= SILENCE_US:
            self._sensor = None

    def broken(self, now):
        """Whether nothing has come of it for too long."""
        return not self._absent and self._heard is not None and now - self._heard >= SILENCE_US

    def sections(self, start, end):
        """The section of what was taken from start to end: one, or none."""
        cut = self._beside.cut(start, end) if self._sensor is not None else None
        if cut is None:
            return []
        rate_mhz, counts = cut
        quality = self._sensor.quality(counts)
        return [frame.wave(frame.PULSE_WAVE, rate_mhz, self._sensor.channels, quality, counts)]


class Wearable:
    """Makes frames from what the board and the sensor say, and puts them into the outbox.

    boot: the random number of this start. board: edges(), millivolt(), charging(), worn(), sensor() and light(), which
    make the sensors anew: at the start and whenever one stopped to answer or to give samples.
    """

    def __init__(self, boot, identity, board, clock, outbox, presses):
        self._boot = boot
        self._identity = identity
        self._board = board
        self._sensor = None
        self._light = Light(board.light)
        self._clock = clock
        self._outbox = outbox
        self._presses = presses
        self._batcher = None
        self._debounce = parts.Debounce()
        self._sequence = 0
        self._last_frame = 0
        self._next_status = 0
        self._next_identity = 0
        self._last_samples = 0

    def step(self, ticks):
        """To be called five times a second or more; every frame that has become complete is in the outbox then."""
        now = self._clock.boot_us(ticks)
        self._button(now)
        blocks = self._read(now)
        self._light.read(now)
        fault = frame.FAULT_HARDWARE if self._light.broken(now) else frame.NO_FAULT
        for start, end, block in blocks:
            sections = [block, frame.state(frame.FAULT, fault)]
            sections += self._light.sections(start, end)
            self._put(start, now, sections)
        if now - self._last_frame >= SILENCE_US:  # no samples: say why instead of falling silent
            self._put(now, now, [frame.state(frame.FAULT, frame.FAULT_HARDWARE)])

    def _read(self, now):
        try:
            if self._sensor is None:
                self._sensor = self._board.sensor()
                self._batcher = parts.Batcher(self._sensor.rate_mhz)
                self._last_samples = now
            counts, lost = self._sensor.read_block()
        except (OSError, sensors.SensorError):
            self._sensor = None
            return []
        if counts:
            self._last_samples = now
        scale, full_scale = self._sensor.scale, self._sensor.full_scale
        blocks = [
            (start, _end(start, rate_mhz, data), frame.block(frame.ACCEL, rate_mhz, scale, full_scale, data))
            for start, rate_mhz, data in self._batcher.add(counts, now, lost)
        ]
        if now - self._last_samples >= SILENCE_US:
            self._sensor = None
        return blocks

    def _button(self, now):
        found = [self._debounce.edge(closed, self._clock.at(ticks)) for closed, ticks in self._board.edges()]
        found.append(self._debounce.poll(now))
        for at_us in found:
            if at_us is not None:
                self._presses.press(at_us)
                self._put(now, now, [])

    def _put(self, start, now, sections):
        worn = self._board.worn()
        if worn is not None:
            sections.append(frame.state(frame.WORN, int(worn)))
        if now >= self._next_status:
            self._next_status = now + STATUS_US
            sections += self._status()
        if now >= self._next_identity:
            self._next_identity = now + IDENTITY_US
            sections.append(frame.identity(self._identity))
        pressed = self._presses.pending(now)
        sections += [frame.press(counter, (at_us - start) // 1000) for counter, at_us in pressed]
        time_us, utc = self._clock.stamp(start)
        data = frame.frame(self._boot, self._sequence, time_us, utc, sections)
        self._sequence += 1
        self._last_frame = now
        self._outbox.put(now, data, [counter for counter, _ in pressed])

    def _status(self):
        millivolt = self._board.millivolt()
        charging = self._board.charging()
        out = []
        if millivolt is not None:
            out.append(frame.number(frame.BATTERY, parts.battery_tenths(millivolt)))
            out.append(frame.number(frame.BATTERY_VOLTAGE, millivolt))
        if charging is not None:
            out.append(frame.state(frame.CHARGING, int(charging)))
        return out


def _end(start, rate_mhz, counts):
    """When the sample after the last one of a block is due."""
    return start + len(counts) // 6 * 10**9 // rate_mhz


class Sender:
    """Takes frames from the outbox to the link; a frame that did not get through stays for the next time."""

    def __init__(self, outbox, presses, link):
        self._outbox = outbox
        self._presses = presses
        self._link = link

    def step(self, now_us):
        """Send one frame if there is one and the link is up. True if it has arrived."""
        if not self._link.ready(now_us):
            return False
        row = self._outbox.take(now_us)
        if row is None:
            return False
        key, data, counters = row
        if not self._link.send(data, now_us):
            return False
        self._outbox.done(key)
        if self._link.acknowledges and counters:
            self._presses.arrived(counters)
        return True


def main():
    """Run for ever on a board, with the settings of config.py. The watchdog restarts a program that hangs."""
    import time

    from . import board, config, links

    ticks = time.ticks_us
    clock = parts.Clock(ticks())
    hardware = board.Board(config)
    lock = board.lock()
    outbox = parts.Outbox(config.OUTBOX_BYTES, lock)
    link = links.UartLink(hardware.uart()) if config.LINK == "uart" else links.MqttLink(config, board.Wifi(config))
    presses = parts.Presses(link.acknowledges)
    device = Wearable(board.random_u32(), config.IDENTITY, hardware, clock, outbox, presses)
    sender = Sender(outbox, presses, link)
    if link.acknowledges:  # waiting for acknowledgements must not hold up the sensor
        board.start_thread(_send_for_ever, (sender, clock, ticks, time.sleep_ms, config.NTP_HOST))
    while True:
        device.step(ticks())
        if not link.acknowledges:
            sender.step(clock.boot_us(ticks()))
        hardware.alive()
        time.sleep_ms(100)


def _send_for_ever(sender, clock, ticks, sleep_ms, ntp_host):
    from . import board

    next_ntp = 0
    while True:
        now = clock.at(ticks())
        if sender.step(now):
            if now >= next_ntp:
                utc_us = board.ask_sntp(ntp_host, ticks)
                if utc_us is not None:
                    clock.set_utc(utc_us, clock.at(ticks()))
                next_ntp = now + (60 if utc_us is None else 6 * 3600) * parts.SECOND
        else:
            sleep_ms(50)
