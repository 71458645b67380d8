"""Accelerometer chips by their registers, and a board around them. Runs on MicroPython and CPython.

Written from the data sheets, apart from `firmware_stubs.sensors`: FIFO depth, overrun, identity and registers.
"""

# ruff: noqa: ANN001, ANN201, ANN202, ANN204, ARG002
# mypy: ignore-errors


class Bus:
    """An I2C bus with one chip; `present = False` takes the chip off (every access raises OSError, ENODEV)."""

    def __init__(self, address, chip):
        self.address = address
        self.chip = chip
        self.present = True

    def _check(self, address):
        if not self.present or address != self.address:
            raise OSError(19)

    def readfrom_mem(self, address, register, count):
        self._check(address)
        return self.chip.read(register, count)

    def writeto_mem(self, address, register, data):
        self._check(address)
        for offset, value in enumerate(data):
            self.chip.write(register + offset, value)


class Lis3dhChip:
    """32 samples of FIFO in stream mode; data left-justified, little-endian."""

    def __init__(self, identity=0x33):
        self.registers = {0x0F: identity, 0x20: 0x07, 0x23: 0, 0x24: 0, 0x2E: 0}
        self.fifo = []
        self.overrun = False

    def write(self, register, value):
        self.registers[register] = value
        if register == 0x2E and value & 0xC0 == 0:
            self.fifo = []
            self.overrun = False

    def streaming(self):
        return self.registers[0x24] & 0x40 and self.registers[0x2E] & 0xC0 == 0x80 and self.registers[0x20] & 7 == 7

    def sample(self, x, y, z):
        """One conversion; counts of the left-justified 16-bit word, of which 12 bits are kept."""
        if self.streaming():
            if len(self.fifo) == 32:
                self.fifo.pop(0)
            out = bytearray()
            for value in (x, y, z):
                out.extend((value & 0xFFF0).to_bytes(2, "little"))
            self.fifo.append(bytes(out))
            self.overrun = len(self.fifo) == 32  # full, so that the next one overwrites (AN3308)

    def read(self, register, count):
        if register == 0x2F:
            size = len(self.fifo)
            return bytes([(0x40 if self.overrun else 0) | (0x20 if size == 0 else 0) | min(size, 31)])
        if register == 0xA8:
            samples = count // 6
            out = b"".join(self.fifo[:samples])
            self.fifo = self.fifo[samples:]
            self.overrun = False
            return out
        return bytes([self.registers[register]])


class Mpu6050Chip:
    """1024 bytes of FIFO, big-endian; an overflow sets a status bit that reading clears."""

    def __init__(self, identity=0x68):
        self.registers = {0x75: identity, 0x6B: 0x40}
        self.fifo = b""
        self.overflow = False

    def write(self, register, value):
        self.registers[register] = value
        if register == 0x6A and value & 0x04:
            self.fifo = b""

    def sample(self, x, y, z):
        awake = not self.registers[0x6B] & 0x40
        if awake and self.registers.get(0x23) == 0x08 and self.registers.get(0x6A, 0) & 0x40:
            for value in (x, y, z):
                self.fifo += (value & 0xFFFF).to_bytes(2, "big")
            if len(self.fifo) > 1024:
                self.fifo = self.fifo[-1024:]
                self.overflow = True

    def read(self, register, count):
        if register == 0x3A:
            status = 0x10 if self.overflow else 0
            self.overflow = False
            return bytes([status])
        if register == 0x72:
            return len(self.fifo).to_bytes(2, "big")
        if register == 0x74:
            out = self.fifo[:count]
            self.fifo = self.fifo[count:]
            return out
        return bytes([self.registers[register]])


class Max30102Chip:
    """Two colours of light, 18 bits each; 32 samples of FIFO in which the oldest is overwritten; a reset that lasts."""

    def __init__(self, identity=0x15, reset_reads=3):
        self.registers = {0xFF: identity, 0x09: 0x03, 0x04: 0, 0x05: 0, 0x06: 0}
        self.fifo = []
        self.lost = 0
        self._reset_reads = reset_reads
        self._resetting = 0

    def write(self, register, value):
        if register == 0x09 and value & 0x40:
            self.registers.update({0x08: 0, 0x0A: 0, 0x0C: 0, 0x0D: 0})
            self._resetting = self._reset_reads
        if register in (0x04, 0x06):
            self.fifo = []
        if register == 0x05:
            self.lost = 0
        self.registers[register] = value

    def sample(self, red, infrared):
        """One averaged conversion."""
        if self._resetting or self.registers[0x09] != 0x03 or not self.registers.get(0x08, 0) & 0x10:
            return
        if len(self.fifo) == 32:
            self.fifo.pop(0)
            self.lost = min(self.lost + 1, 31)
            self.registers[0x06] = (self.registers[0x06] + 1) % 32
        self.fifo.append(red.to_bytes(3, "big") + infrared.to_bytes(3, "big"))
        self.registers[0x04] = (self.registers[0x04] + 1) % 32

    def read(self, register, count):
        if register == 0x09 and self._resetting:
            self._resetting -= 1
            return bytes([0x00 if not self._resetting else 0x40])
        if register == 0x05:
            return bytes([self.lost])
        if register == 0x07:
            samples = count // 6
            out = b"".join(self.fifo[:samples])
            self.fifo = self.fifo[samples:]
            self.registers[0x06] = (self.registers[0x06] + samples) % 32
            self.lost = 0
            return out
        return bytes([self.registers[register]])


class Board:
    """The board that `firmware_stubs.wearable.Wearable` sees."""

    def __init__(self, make_sensor, make_light=lambda: None):
        self._make_sensor = make_sensor
        self.light = make_light
        self.waiting = []
        self.battery = 3900
        self.on_body = True

    def edges(self):
        found = self.waiting
        self.waiting = []
        return found

    def millivolt(self):
        return self.battery

    def charging(self):
        return False

    def worn(self):
        return self.on_body

    def sensor(self):
        return self._make_sensor()


class Link:
    """Keeps what was sent; `open` says whether the network is there, `answering` whether the broker answers."""

    def __init__(self, acknowledges):
        self.acknowledges = acknowledges
        self.open = True
        self.answering = True
        self.got = []

    def ready(self, now_us):
        return self.open

    def send(self, data, now_us):
        self.got.append((now_us, data))
        return self.answering
