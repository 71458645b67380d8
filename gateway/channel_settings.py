"""Settings of the ways to tell people, `[channels.NAME]` in yinling.toml; NAME is what a contact's `channel` says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings_base import Secret, SettingsPart


class RobotSettings(SettingsPart):
    """A group robot. A contact's address is the mobile number to call by name, or empty."""

    type: Literal["dingtalk", "wecom", "feishu"]
    token: Secret
    """The key in the robot's web address."""
    secret: Secret | None = None
    """The signing secret of DingTalk and Feishu, where signature checking is switched on (advised)."""
    base_url: str | None = None
    """The vendor's own server where absent; for a private deployment."""


class AppriseSettings(SettingsPart):
    """Anything that Apprise reaches: e-mail, ntfy, Bark and many more."""

    type: Literal["apprise"]
    url: Secret
    """An Apprise address; `{address}` in it stands for the contact's own address."""


ChannelSettings = Annotated[RobotSettings | AppriseSettings, Field(discriminator="type")]
