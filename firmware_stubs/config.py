"""Settings of one wearable: edit this copy, then put it on the board."""

DEVICE_ID = "wearable-1"  # 1 to 64 of A-Z a-z 0-9 _ . : -
IDENTITY = "esp32-lis3dh 1.0"

SENSOR = "lis3dh"  # or "mpu6050"
SENSOR_ADDRESS = 0x18  # LIS3DH 0x18 or 0x19, MPU-6050 0x68 or 0x69
RATE_HZ = 50
RANGE_G = 8

PULSE_SENSOR = None  # or "max30102", on the same two wires
PULSE_HZ = 25  # or 50, 100
PULSE_MA = 7  # through each of its two diodes; more for dark skin, less for battery life
PULSE_CONTACT = 0.1  # share of its range below which it is not worn

SCL_PIN = 22
SDA_PIN = 21
BUTTON_PIN = 25  # to ground when pressed
BATTERY_PIN = 34  # None if the board cannot measure its battery
BATTERY_DIVIDER = 2
WORN_PIN = None  # output of a touch or proximity switch
WORN_LEVEL = 1
CHARGING_PIN = None
CHARGING_LEVEL = 0

LINK = "mqtt"  # or "uart"
TX_PIN = 17
RX_PIN = 16

WIFI_NAME = ""
WIFI_PASSWORD = ""
BROKER = "192.168.1.10"
PORT = 1883
USER = "wearable-1"
PASSWORD = ""
TLS = None  # an ssl.SSLContext, for brokers that want it
NTP_HOST = "192.168.1.10"

OUTBOX_BYTES = 40000  # frames kept while the network is away: about 110 seconds; what the board's RAM allows
