"""Accelerometers and a pulse sensor behind one small interface each. Runs unchanged on MicroPython and CPython.

    rate_mhz, scale, full_scale    for the block header: 0.001 Hz, 0.001 g, 0.001 g
    read_block()                   (int16 x, y, z ... little-endian, lost): all that the FIFO holds; lost is True
                                   where samples were overwritten since the last call

A pulse sensor has `channels` in place of the scales, int16 shares of its range (32768) in `read_block`, and
quality(counts): whether a block of them shows skin.

`i2c` is a `machine.I2C`: readfrom_mem(address, register, count) and writeto_mem(address, register, bytes). A sensor
that does not answer raises OSError, one that answers with another identity raises SensorError.
"""

from . import frame


class SensorError(Exception):
    """Another chip than expected answers at this address."""


LIS3DH_RATES = {10: 2, 25: 3, 50: 4, 100: 5, 200: 6, 400: 7}  # Hz to ODR bits
LIS3DH_RANGES = {  # g to FS bits, and what 2048 steps of 1, 2, 4 and 12 mg are
    2: (0, 2048),
    4: (1, 4096),
    8: (2, 8192),
    16: (3, 24576),
}
MAX30102_AVERAGES = {25: 2, 50: 1, 100: 0}  # Hz to SMP_AVE bits: of 4, 2 and 1 conversions at 100 Hz
MPU6050_RANGES = {2: 0, 4: 1, 8: 2, 16: 3}  # g to AFS_SEL


class Lis3dh:
    """ST LIS3DH, FIFO in stream mode, high resolution (12 bit). Data sheet DocID17530, application note AN3308."""

    WHO_AM_I = 0x0F
    CTRL_REG1 = 0x20
    CTRL_REG4 = 0x23
    CTRL_REG5 = 0x24
    OUT_X_L = 0x28
    FIFO_CTRL = 0x2E
    FIFO_SRC = 0x2F
    REPEAT = 0x80  # in the register's address: step on to the next register after each byte
    IDENTITY = 0x33

    def __init__(self, i2c, address=0x18, rate_hz=50, range_g=8):
        self._i2c = i2c
        self._address = address
        identity = i2c.readfrom_mem(address, self.WHO_AM_I, 1)[0]
        if identity != self.IDENTITY:
            raise SensorError("no LIS3DH: identity 0x%02x" % identity)
        bits, self.scale = LIS3DH_RANGES[range_g]
        self.rate_mhz = rate_hz * 1000
        self.full_scale = range_g * 1000
        self._set(self.CTRL_REG1, LIS3DH_RATES[rate_hz] << 4 | 0x07)  # normal mode, x, y, z on
        self._set(self.CTRL_REG4, 0x80 | bits << 4 | 0x08)  # block data update, range, high resolution
        self._set(self.CTRL_REG5, 0x40)  # FIFO on
        self._set(self.FIFO_CTRL, 0x00)  # bypass: empties the FIFO
        self._set(self.FIFO_CTRL, 0x80)  # stream: the oldest sample is overwritten

    def _set(self, register, value):
        self._i2c.writeto_mem(self._address, register, bytes([value]))

    def read_block(self):
        source = self._i2c.readfrom_mem(self._address, self.FIFO_SRC, 1)[0]
        lost = bool(source & 0x40)
        count = 32 if lost else source & 0x1F
        if not count:
            return b"", False
        return self._i2c.readfrom_mem(self._address, self.OUT_X_L | self.REPEAT, 6 * count), lost


class Mpu6050:
    """InvenSense MPU-6050, accelerometer through its 1024-byte FIFO. Register map RM-MPU-6000A rev. 4.2."""

    SMPLRT_DIV = 0x19
    CONFIG = 0x1A
    ACCEL_CONFIG = 0x1C
    FIFO_EN = 0x23
    INT_STATUS = 0x3A
    USER_CTRL = 0x6A
    PWR_MGMT_1 = 0x6B
    FIFO_COUNT = 0x72
    FIFO_DATA = 0x74
    WHO_AM_I = 0x75
    IDENTITY = 0x68
    READ_AT_ONCE = 32

    def __init__(self, i2c, address=0x68, rate_hz=50, range_g=8):
        self._i2c = i2c
        self._address = address
        self._set(self.PWR_MGMT_1, 0x01)  # wake, clock from the gyroscope's PLL
        identity = i2c.readfrom_mem(address, self.WHO_AM_I, 1)[0]
        if identity != self.IDENTITY:
            raise SensorError("no MPU-6050: identity 0x%02x" % identity)
        divider = 1000 // rate_hz
        self.rate_mhz = 1000000 // divider
        self.scale = self.full_scale = range_g * 1000
        self._set(self.CONFIG, 0x03)  # low pass 44 Hz, and with it a base rate of 1 kHz
        self._set(self.SMPLRT_DIV, divider - 1)
        self._set(self.ACCEL_CONFIG, MPU6050_RANGES[range_g] << 3)
        self._set(self.FIFO_EN, 0x08)  # acceleration only
        self._restart()

    def _set(self, register, value):
        self._i2c.writeto_mem(self._address, register, bytes([value]))

    def _restart(self):
        self._set(self.USER_CTRL, 0x04)  # FIFO reset
        self._set(self.USER_CTRL, 0x40)  # FIFO on

    def read_block(self):
        """As the module says; after an overflow the FIFO is emptied, as its order is lost."""
        if self._i2c.readfrom_mem(self._address, self.INT_STATUS, 1)[0] & 0x10:
            self._restart()
            return b"", True
        count = self._i2c.readfrom_mem(self._address, self.FIFO_COUNT, 2)
        samples = (count[0] << 8 | count[1]) // 6
        out = bytearray()
        while samples:
            part = min(samples, self.READ_AT_ONCE)
            out.extend(self._i2c.readfrom_mem(self._address, self.FIFO_DATA, 6 * part))
            samples -= part
        for at in range(0, len(out), 2):  # big-endian on this chip
            out[at], out[at + 1] = out[at + 1], out[at]
        return bytes(out), False


class Max30102:
    """Maxim MAX30102: red and infrared light through skin, 18 bit, 32 samples of FIFO. Data sheet 19-7740, revision 1.

    Infrared comes first: it shows the pulse best. contact: share of the range below which there is no skin before it
    (typical default at 7 mA; look at what yours shows worn and taken off). current_ma: through each of its two diodes.
    """

    FIFO_WR_PTR = 0x04
    OVF_COUNTER = 0x05
    FIFO_RD_PTR = 0x06
    FIFO_DATA = 0x07
    FIFO_CONFIG = 0x08
    MODE_CONFIG = 0x09
    SPO2_CONFIG = 0x0A
    LED1_PA = 0x0C
    LED2_PA = 0x0D
    PART_ID = 0xFF
    IDENTITY = 0x15
    RESET = 0x40
    RESET_TRIES = 20
    DEPTH = 32
    FULL = 32767

    channels = 2

    def __init__(self, i2c, address=0x57, rate_hz=25, current_ma=7, contact=0.1):
        self._i2c = i2c
        self._address = address
        identity = self._get(self.PART_ID)
        if identity != self.IDENTITY:
            raise SensorError("no MAX30102: identity 0x%02x" % identity)
        self.rate_mhz = rate_hz * 1000
        self._contact = int(contact * 32768)
        self._restart()
        self._set(self.FIFO_CONFIG, MAX30102_AVERAGES[rate_hz] << 5 | 0x10)  # the oldest sample is overwritten
        self._set(self.SPO2_CONFIG, 0x27)  # range 4096 nA, 100 Hz, pulses of 411 us for 18 bits
        self._set(self.LED1_PA, min(255, current_ma * 5))  # steps of 0.2 mA
        self._set(self.LED2_PA, min(255, current_ma * 5))
        for register in (self.FIFO_WR_PTR, self.OVF_COUNTER, self.FIFO_RD_PTR):
            self._set(register, 0)
        self._set(self.MODE_CONFIG, 0x03)  # red and infrared

    def _get(self, register):
        return self._i2c.readfrom_mem(self._address, register, 1)[0]

    def _set(self, register, value):
        self._i2c.writeto_mem(self._address, register, bytes([value]))

    def _restart(self):
        self._set(self.MODE_CONFIG, self.RESET)
        for _ in range(self.RESET_TRIES):  # the bit clears itself when it is done
            if not self._get(self.MODE_CONFIG) & self.RESET:
                return
        raise SensorError("MAX30102 does not come back from its reset")

    def read_block(self):
        """As the module says: int16 infrared, red, infrared, red ..."""
        written = self._get(self.FIFO_WR_PTR)
        lost = self._get(self.OVF_COUNTER) & 0x1F != 0
        count = self.DEPTH if lost else (written - self._get(self.FIFO_RD_PTR)) % self.DEPTH
        if not count:
            return b"", False
        data = self._i2c.readfrom_mem(self._address, self.FIFO_DATA, 6 * count)
        out = bytearray()
        for at in range(0, len(data), 6):  # 18 bits, big-endian, red first; the lowest three are noise
            red = (data[at] & 3) << 13 | data[at + 1] << 5 | data[at + 2] >> 3
            infrared = (data[at + 3] & 3) << 13 | data[at + 4] << 5 | data[at + 5] >> 3
            out.extend(bytes([infrared & 0xFF, infrared >> 8, red & 0xFF, red >> 8]))
        return bytes(out), lost

    def quality(self, counts):
        """NO_CONTACT by the mean of the infrared light; POOR where it is too bright to be measured."""
        light = [counts[at] | counts[at + 1] << 8 for at in range(0, len(counts), 4)]
        if sum(light) < self._contact * len(light):
            return frame.NO_CONTACT
        return frame.POOR if max(light) >= self.FULL else frame.GOOD
