"""The two ways to the gateway: a UART, and MQTT over Wi-Fi by `umqtt.simple`.

acknowledges        whether `send` knows that the frame has arrived
ready(now_us)       whether frames can be sent now; connects where needed, waiting longer after each failure
send(data, now_us)  True if the frame was written (UART) or acknowledged by the broker (MQTT)
"""

from . import frame

FIRST_WAIT_US = 1000000
LONGEST_WAIT_US = 60000000
ANSWER_S = 5
KEEPALIVE_S = 30
LAST_PACKET_ID = 65000


class UartLink:
    """COBS frames on a serial line. `uart`: a machine.UART, or anything with write(bytes)."""

    acknowledges = False

    def __init__(self, uart):
        self._uart = uart
        self._uart.write(b"\x00")

    def ready(self, _now_us):
        return True

    def send(self, data, _now_us):
        self._uart.write(frame.cobs(data))
        return True


class MqttLink:
    """QoS 1 to `yinling/<device>/up`, with a last will on `yinling/<device>/online`.

    wifi: up() tells whether the network is there and starts to join it where not. make_client: stands for
    umqtt.simple.MQTTClient where that is not installed.
    """

    acknowledges = True

    def __init__(self, config, wifi, make_client=None):
        self._config = config
        self._wifi = wifi
        self._make_client = make_client
        self._client = None
        self._next_try = 0
        self._wait = FIRST_WAIT_US
        base = "yinling/" + config.DEVICE_ID
        self._up = (base + "/up").encode()
        self._online = (base + "/online").encode()

    def ready(self, now_us):
        if self._client is not None:
            return True
        if now_us < self._next_try:
            return False
        self._next_try = now_us + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT_US)
        if not self._wifi.up():
            return False
        try:
            self._connect()
        except (OSError, AssertionError, IndexError, TypeError):  # umqtt checks answers by assert and by index
            self._close()
            return False
        except Exception as error:  # noqa: BLE001 - umqtt's own MQTTException: refused, most often a wrong password
            print("broker refused:", error)
            self._close()
            return False
        self._wait = FIRST_WAIT_US
        return True

    def send(self, data, now_us):
        client = self._client
        try:
            client.sock.settimeout(ANSWER_S)
            if client.pid >= LAST_PACKET_ID:  # umqtt counts past 65535 and would then wait for ever
                client.pid = 0
            client.publish(self._up, data, qos=1)
        except (OSError, AssertionError, IndexError, TypeError):
            self._close()
            self._next_try = now_us + FIRST_WAIT_US
            return False
        return True

    def _connect(self):
        config = self._config
        make = self._make_client
        if make is None:
            from umqtt.simple import MQTTClient

            make = MQTTClient
        client = make(
            config.DEVICE_ID,
            config.BROKER,
            port=config.PORT,
            user=config.USER,
            password=config.PASSWORD,
            keepalive=KEEPALIVE_S,
            ssl=config.TLS,
        )
        client.set_last_will(self._online, b"0", retain=True, qos=1)
        self._client = client
        client.connect(clean_session=True)
        client.sock.settimeout(ANSWER_S)
        client.publish(self._online, b"1", retain=True, qos=1)

    def _close(self):
        client = self._client
        self._client = None
        try:  # noqa: SIM105 - MicroPython has no contextlib
            client.sock.close()
        except (OSError, AttributeError):
            pass  # it was not open
