"""What is particular to the board: pins, I2C, battery, Wi-Fi, time, watchdog (ESP32 port of MicroPython)."""

import _thread
import os
import socket
import struct
import time

import machine
import network

from . import parts, sensors

WATCHDOG_MS = 30000
JOIN_US = 15000000


class Board:
    """The pins of config.py. A pin that is None is not there, and what it would tell is unknown."""

    def __init__(self, config):
        self._config = config
        self._edges = []
        self._watchdog = machine.WDT(timeout=WATCHDOG_MS)
        self._button = machine.Pin(config.BUTTON_PIN, machine.Pin.IN, machine.Pin.PULL_UP)
        self._button.irq(self._on_edge, machine.Pin.IRQ_FALLING | machine.Pin.IRQ_RISING)
        self._battery = None
        if config.BATTERY_PIN is not None:
            self._battery = machine.ADC(machine.Pin(config.BATTERY_PIN), atten=machine.ADC.ATTN_11DB)
        self._worn = self._input(config.WORN_PIN)
        self._charging = self._input(config.CHARGING_PIN)

    @staticmethod
    def _input(pin):
        return None if pin is None else machine.Pin(pin, machine.Pin.IN)

    def _on_edge(self, pin):
        if len(self._edges) < 64:  # far more than one press bounces
            self._edges.append((pin.value() == 0, time.ticks_us()))

    def edges(self):
        """(closed, ticks) since the last call; the contact closes to ground."""
        found, self._edges = self._edges, []
        return found

    def millivolt(self):
        """Of the battery, through the divider of config.py."""
        if self._battery is None:
            return None
        return int(self._battery.read_uv() // 1000 * self._config.BATTERY_DIVIDER)

    def worn(self):
        return None if self._worn is None else self._worn.value() == self._config.WORN_LEVEL

    def charging(self):
        return None if self._charging is None else self._charging.value() == self._config.CHARGING_LEVEL

    def _i2c(self):
        config = self._config
        return machine.I2C(0, scl=machine.Pin(config.SCL_PIN), sda=machine.Pin(config.SDA_PIN), freq=400000)

    def sensor(self):
        config = self._config
        make = sensors.Mpu6050 if config.SENSOR == "mpu6050" else sensors.Lis3dh
        return make(self._i2c(), config.SENSOR_ADDRESS, config.RATE_HZ, config.RANGE_G)

    def light(self):
        """The pulse sensor, None where config.py names none."""
        config = self._config
        if config.PULSE_SENSOR is None:
            return None
        return sensors.Max30102(
            self._i2c(), rate_hz=config.PULSE_HZ, current_ma=config.PULSE_MA, contact=config.PULSE_CONTACT
        )

    def uart(self):
        return machine.UART(1, 115200, tx=machine.Pin(self._config.TX_PIN), rx=machine.Pin(self._config.RX_PIN))

    def alive(self):
        """The program runs: the watchdog waits another 30 seconds."""
        self._watchdog.feed()


class Wifi:
    """Joins the network of config.py, again and again."""

    def __init__(self, config):
        self._config = config
        self._wlan = network.WLAN(network.STA_IF)
        self._wlan.active(True)
        self._joining = None

    def up(self):
        if self._wlan.isconnected():
            self._joining = None
            return True
        now = time.ticks_us()
        if self._joining is None or time.ticks_diff(now, self._joining) > JOIN_US:
            if self._joining is not None:
                self._wlan.disconnect()
            self._wlan.connect(self._config.WIFI_NAME, self._config.WIFI_PASSWORD)
            self._joining = now
        return False


def ask_sntp(host, ticks):
    """UTC now in microseconds, or None if no server answered within a second."""
    request = b"\x1b" + bytes(47)
    asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        address = socket.getaddrinfo(host, 123)[0][-1]
        asked.settimeout(1)
        begin = ticks()
        asked.sendto(request, address)
        reply = asked.recv(48)
        return parts.sntp_utc_us(reply, (ticks() - begin) % parts.TICKS_PERIOD)
    except OSError:
        return None
    finally:
        asked.close()


def random_u32():
    """From the chip's random number generator."""
    return struct.unpack("<I", os.urandom(4))[0]


def lock():
    return _thread.allocate_lock()


def start_thread(function, arguments):
    _thread.stack_size(8192)
    _thread.start_new_thread(function, arguments)
