"""What every part of the settings is made of: strict and frozen, with secrets kept elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator


class ConfigError(ValueError):
    """The settings are wrong; the text names the file, the setting and what to write instead."""


class SettingsPart(BaseModel):
    """A table of the settings: unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Secret(SettingsPart):
    """Where a secret is kept: `{file = "assist.secret"}` or `{env = "YINLING_ASSIST_SECRET"}`."""

    file: Path | None = None
    env: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if (self.file is None) == (self.env is None):
            raise ValueError("write exactly one of file and env")
        return self

    def load(self, base: Path) -> SecretStr:
        """The secret's text. base: folder of the configuration file. Raises ConfigError."""
        if self.env is not None:
            value = os.environ.get(self.env, "")
            if not value:
                raise ConfigError(f"environment variable {self.env} is not set")
            return SecretStr(value)
        path = base / (self.file or "")
        try:
            return SecretStr(path.read_text(encoding="utf-8").strip())
        except OSError as error:
            raise ConfigError(f"cannot read the secret file {path}: {error.strerror}") from error
