"""The parts of a wearable that need no hardware: clock, batching, outbox, button, battery. Time is an argument.

Runs unchanged on MicroPython and CPython. Times are microseconds since boot unless a name says otherwise.
"""

import struct

from . import frame

SECOND = 1000000
LIVE_US = 10 * SECOND
PRESS_REPEATED_US = 3600 * SECOND
PRESS_REPEATED_UNACKNOWLEDGED_US = 10 * SECOND
MOST_PRESSES = 8
TICKS_PERIOD = 1 << 30  # of time.ticks_us() on every port


class Clock:
    """Microseconds since boot from a tick counter that wraps, and UTC once somebody told it."""

    def __init__(self, ticks):
        self._mark = (ticks, 0)  # one object, so that another thread sees both halves change together
        self._utc = None

    def boot_us(self, ticks):
        """Now, since boot. To be called more often than the counter wraps (every 17 minutes)."""
        before, us = self._mark
        us += (ticks - before) % TICKS_PERIOD
        self._mark = (ticks, us)
        return us

    def at(self, ticks):
        """When a tick of the last or next minutes is, since boot."""
        mark, us = self._mark
        half = TICKS_PERIOD // 2
        return us + (ticks - mark + half) % TICKS_PERIOD - half

    def set_utc(self, utc_us, boot_us):
        """It was `utc_us` UTC at `boot_us` since boot."""
        self._utc = utc_us - boot_us

    def stamp(self, boot_us):
        """(device time, is it UTC) of a moment."""
        if self._utc is None:
            return boot_us, False
        return boot_us + self._utc, True


def sntp_utc_us(reply, round_trip_us):
    """UTC in microseconds from a server's 48-byte SNTP reply (RFC 4330), or None if it does not know the time."""
    if len(reply) < 48 or reply[0] & 7 != 4 or reply[0] >> 6 == 3 or not 1 <= reply[1] <= 15:
        return None
    seconds, fraction = struct.unpack("!II", reply[40:48])
    if seconds < 0x80000000:  # the era that begins in 2036
        seconds += 1 << 32
    return (seconds - 2208988800) * SECOND + (fraction * SECOND >> 32) + round_trip_us // 2


class Batcher:
    """Collects FIFO reads into blocks of one second and finds when the first sample of each was taken.

    The newest sample of a FIFO read is half a period old on average. Start and period follow the reads slowly, so
    that the jitter of reading does not show while the sensor's true rate (some percent beside its nominal) does.
    """

    def __init__(self, rate_mhz, sample_bytes=6):
        self.rate_mhz = rate_mhz
        self._sample_bytes = sample_bytes
        self._count = max(1, rate_mhz // 1000)
        self._nominal_ns = 10**12 // rate_mhz
        self._period_ns = self._nominal_ns
        self._held = bytearray()
        self._start = None

    def add(self, counts, now_us, gap=False):
        """Take samples read at `now_us`; blocks that are complete, each as (start, rate in mHz, counts).

        gap: samples were lost before these; what is held goes out as a shorter block.
        """
        done = []
        if gap and self._held:
            done.append(self._cut(len(self._held)))
        if gap:
            self._start = None
        self._held.extend(counts)
        samples = len(self._held) // self._sample_bytes
        if samples:
            self._place(samples, now_us, samples >= self._count)
        while len(self._held) >= self._sample_bytes * self._count:
            done.append(self._cut(self._sample_bytes * self._count))
        return done

    def _place(self, samples, now_us, follow):
        first = now_us - (2 * samples - 1) * self._period_ns // 2000
        if self._start is None or abs(first - self._start) > SECOND:
            self._start = first
        elif follow:
            self._follow(first - self._start)

    def _follow(self, late_us, share=4, patience=32):
        self._start += late_us // share
        period = self._period_ns + late_us * 1000 // (patience * self._count)
        tenth = self._nominal_ns // 10
        self._period_ns = min(max(period, self._nominal_ns - tenth), self._nominal_ns + tenth)

    def _cut(self, size):
        counts = bytes(self._held[:size])
        self._held = self._held[size:]
        start = max(0, self._start)
        self._start += size // self._sample_bytes * self._period_ns // 1000
        return start, 10**12 // self._period_ns, counts


class Beside(Batcher):
    """Samples (int16, `channels` together) of a second sensor, cut so that they go out in the frames of the first.

    A frame has one time for all its blocks: the samples of a cut lie between two of the sensor, on the straight line,
    so that the first is at that time. A second of which more than two samples are missing at its beginning is left
    out. `most_s` seconds are held at most.

    Each read bounds the times: the newest sample had been taken, the next one had not. They move only when a read
    contradicts them, so that no rhythm of reading shows in a wave whose beats are looked at.
    """

    SHARES = 256
    PATIENCE = 4

    def __init__(self, rate_mhz, channels, most_s=4):
        super().__init__(rate_mhz, 2 * channels)
        self._channels = channels
        self._most = most_s * self._count * self._sample_bytes

    def hold(self, counts, now_us, gap=False):
        """Keep samples read at `now_us`. gap: samples were lost before these, and what was held ends there."""
        if gap:
            self._held = bytearray()
            self._start = None
        if not counts:
            return
        self._held.extend(counts)
        self._bound(len(self._held) // self._sample_bytes, now_us)
        if len(self._held) > self._most:
            self._cut(len(self._held) - self._most)

    def cut(self, start_us, end_us):
        """(rate in mHz, counts) from start to end, None where nothing was taken. What was before is gone."""
        if not self._held:
            return None
        period = self._period_ns
        before = max(0, 1000 * (start_us - self._start) // period)
        self._cut(min(before * self._sample_bytes, len(self._held)))
        behind = 1000 * (start_us - self._start)
        wanted = (1000 * (end_us - start_us) + period // 2) // period  # the next cut begins half a sample later or more
        number = min(wanted, len(self._held) // self._sample_bytes - 1)
        if behind < -2 * period or number < 1:
            return None
        share = min(max(0, behind * self.SHARES // period), self.SHARES)
        return 10**12 // period, self._between(number, share)

    def _bound(self, samples, now_us):
        if self._start is None:
            self._place(samples, now_us, False)
            return
        since = 1000 * (now_us - self._start) - (samples - 1) * self._period_ns
        if abs(since) > 1000 * SECOND:
            self._place(samples, now_us, False)
        elif since < 0:
            self._follow(since // 1000, 1, self.PATIENCE)
        elif since > self._period_ns:
            self._follow((since - self._period_ns) // 1000, 1, self.PATIENCE)

    def _between(self, number, share):
        """So many samples, each `share` of the way from one of the sensor to its next."""
        step = self._channels
        values = struct.unpack("<%dh" % ((number + 1) * step), self._held[: (number + 1) * self._sample_bytes])
        shares = self.SHARES
        mixed = [
            (values[at] * (shares - share) + values[at + step] * share + shares // 2) // shares
            for at in range(number * step)
        ]
        return struct.pack("<%dh" % len(mixed), *mixed)


class Debounce:
    """Turns the edges of a bouncing contact into presses: one for each time it closed for at least 20 ms.

    It need not be asked in time: a press that ended before `poll` is still found. A press counts again only after
    the contact has been open for 50 ms.
    """

    def __init__(self, hold_us=20000, quiet_us=50000):
        self._hold_us = hold_us
        self._quiet_us = quiet_us
        self._closed = None
        self._opened = None
        self._told = False

    def edge(self, closed, at_us):
        """The contact closed or opened. Gives the time of a press that ended unseen, else None."""
        ended = self.poll(at_us)
        if closed:
            if self._closed is None:
                self._closed = at_us
            self._opened = None
        elif self._closed is not None and self._opened is None:
            self._opened = at_us
        return ended

    def poll(self, now_us):
        """The time of a press that has become certain by now, else None."""
        if self._closed is None:
            return None
        found = None
        until = now_us if self._opened is None else self._opened
        if not self._told and until - self._closed >= self._hold_us:
            self._told = True
            found = self._closed
        if self._opened is not None and now_us - self._opened >= self._quiet_us:
            self._closed = self._opened = None
            self._told = False
        return found


class Presses:
    """Presses of the help button that are not yet known to have arrived."""

    def __init__(self, acknowledged_link):
        self.counter = 0
        self._pending = []
        self._repeat_us = PRESS_REPEATED_US if acknowledged_link else PRESS_REPEATED_UNACKNOWLEDGED_US

    def press(self, at_us):
        self.counter += 1
        self._pending.append((self.counter, at_us))
        del self._pending[:-MOST_PRESSES]

    def pending(self, now_us):
        """(counter, when) of all that a frame made now must carry."""
        self._pending = [row for row in self._pending if now_us - row[1] <= self._repeat_us]
        return self._pending

    def arrived(self, counters):
        """A live frame with these was acknowledged."""
        self._pending = [row for row in self._pending if row[0] not in counters]


class NoLock:
    """Stands for a lock where there is only one thread."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


class Outbox:
    """Frames on their way, at most `most_bytes`; the oldest is dropped for room and counted.

    Live frames (made within 10 seconds) go first, then history, oldest first, with the stored flag.
    """

    def __init__(self, most_bytes, lock=None):
        self.dropped = 0
        self._most = most_bytes
        self._bytes = 0
        self._rows = []
        self._lock = lock or NoLock()

    def __len__(self):
        return len(self._rows)

    def put(self, made_us, data, counters=()):
        """A new frame, and the button presses in it."""
        with self._lock:
            self._rows.append((made_us, data, counters))
            self._bytes += len(data)
            while self._bytes > self._most and len(self._rows) > 1:
                self._drop(0)
                self.dropped += 1

    def take(self, now_us):
        """(key, data, presses in it that are live) of the frame to send now, or None. It stays until `done(key)`."""
        with self._lock:
            for made_us, data, counters in self._rows:
                if now_us - made_us <= LIVE_US:
                    return data, data, counters
            if self._rows:
                data = self._rows[0][1]
                return data, frame.stored(data), ()
            return None

    def done(self, key):
        """The frame has arrived. Nothing happens if it was dropped meanwhile."""
        with self._lock:
            for index, row in enumerate(self._rows):
                if row[1] is key:
                    self._drop(index)
                    return

    def _drop(self, index):
        self._bytes -= len(self._rows.pop(index)[1])


# Rest voltage of one lithium-polymer cell, millivolt to 0.1 %; an approximation, batteries differ.
LITHIUM_CELL = (
    (3300, 0),
    (3600, 100),
    (3680, 200),
    (3720, 300),
    (3750, 400),
    (3780, 500),
    (3830, 600),
    (3900, 700),
    (3980, 800),
    (4080, 900),
    (4200, 1000),
)


def battery_tenths(millivolt, curve=LITHIUM_CELL):
    """Charge in 0.1 % by the cell's voltage; None where the voltage is unknown."""
    if millivolt is None:
        return None
    if millivolt <= curve[0][0]:
        return curve[0][1]
    for index in range(1, len(curve)):
        low, below = curve[index - 1]
        high, above = curve[index]
        if millivolt < high:
            return below + (above - below) * (millivolt - low) // (high - low)
    return curve[-1][1]
