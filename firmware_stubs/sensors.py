"""Accelerometers behind one small interface. Runs unchanged on MicroPython and CPython.

    rate_mhz, scale, full_scale    for the block header: 0.001 Hz, 0.001 g, 0.001 g
    read_block()                   (int16 x, y, z ... little-endian, lost): all that the FIFO holds; lost is True
                                   where samples were overwritten since the last call

`i2c` is a `machine.I2C`: readfrom_mem(address, register, count) and writeto_mem(address, register, bytes). A sensor
that does not answer raises OSError, one that answers with another identity raises SensorError.
"""


class SensorError(Exception):
    """Another chip than expected answers at this address."""


LIS3DH_RATES = {10: 2, 25: 3, 50: 4, 100: 5, 200: 6, 400: 7}  # Hz to ODR bits
LIS3DH_RANGES = {  # g to FS bits, and what 2048 steps of 1, 2, 4 and 12 mg are
    2: (0, 2048),
    4: (1, 4096),
    8: (2, 8192),
    16: (3, 24576),
}
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
