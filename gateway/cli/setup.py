"""`yinling init`, `doctor` and `config check`: first set-up and self-diagnosis."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli import BAD_ANSWER, CANNOT, app, errors
from gateway.cli.language import CHINESE, LANGUAGE_HELP, chosen
from gateway.config import ConfigError, Settings, load_settings
from gateway.doctor import Check, Verdict, examine

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="Settings file")]
DEFAULT_CONFIG = Path("yinling.toml")
MARKS = {Verdict.OK: ("ok", "green"), Verdict.WARN: ("warn", "yellow"), Verdict.FAIL: ("FAIL", "red")}
FIRST_SETTINGS = """\
# Settings of the Yinling gateway. Every setting: docs/yinling.example.toml. 银龄网关配置，全部设置见示例文件。
# Not a medical device. 非医疗器械。

data_directory = "var"

[site]
name = "{name}"
language = "{language}"

[api]
host = "127.0.0.1"
port = 8080

[mqtt]
embedded = true
port = 1883

# [[serial]]
# url = "/dev/serial/by-id/..."
# family = "micradar"
# device_id = "radar-bedroom"

# [assist]
# url = "https://assist.example/alerts"
# secrets = [{{file = "assist.secret"}}]
# callback_secret = {{file = "callback.secret"}}
"""

out = Console(markup=False, emoji=False)
"""What is printed is shown as it is: `[assist]` is a table of the settings. Colours are given by style."""

config_app = typer.Typer(help="Work with the settings file.", no_args_is_help=True)
app.add_typer(config_app, name="config")


@app.command()
def init(
    config: ConfigOption = DEFAULT_CONFIG,
    name: Annotated[str | None, typer.Option(help="Name of the site")] = None,
    language: Annotated[str | None, typer.Option(help=LANGUAGE_HELP)] = None,
) -> None:
    """Write the first settings file, make the database and the first API key (shown once). Changes nothing twice."""
    from gateway.api.keys import KeyStore
    from gateway.database import open_database

    if config.exists():
        out.print(f"{config} exists and stays as it is")
    else:
        language = chosen(language)
        named = name or ("银龄之家" if language == CHINESE else "Yinling home")
        config.write_text(FIRST_SETTINGS.format(name=_toml(named), language=language), encoding="utf-8")
        out.print(f"wrote {config}")
    settings = load_settings(config)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = open_database(settings.data / "gateway.sqlite")
    try:
        made = KeyStore(database).create_first(by="yinling init", now_ns=time.time_ns())
    finally:
        database.close()
    if made is None:
        out.print("there is an API key already; `yinling keys create` makes another")
    else:
        out.print("API key (administrator), shown this once; keep it safe:")
        typer.echo(made.secret)
    out.print("next: `yinling doctor`, then `yinling run`")


@app.command()
def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    json_output: Annotated[bool, typer.Option("--json", help="Machine output")] = False,
) -> None:
    """Check this box with these settings; each finding says how to mend it. Exit 1 if something must be mended."""
    settings = load_settings(config)
    checks = examine(settings)
    if json_output:
        typer.echo(json.dumps([_plain(check) for check in checks], ensure_ascii=False))
    else:
        out.print(_table(checks, settings))
    if any(check.verdict is Verdict.FAIL for check in checks):
        raise typer.Exit(BAD_ANSWER)


@config_app.command("check")
def check_config(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check the settings file; exit 2 and every wrong setting by name if it is wrong."""
    try:
        load_settings(config)
    except ConfigError as error:
        errors.print(f"yinling: {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(CANNOT) from error
    out.print(f"{config}: all settings are valid")


def _toml(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _plain(check: Check) -> dict[str, str]:
    return {
        "name": check.name,
        "verdict": check.verdict.value,
        "zh": check.zh,
        "en": check.en,
        "fix_zh": check.fix_zh,
        "fix_en": check.fix_en,
    }


def _table(checks: list[Check], settings: Settings) -> Table:
    chinese = settings.site.language == "zh-CN"
    table = Table(title="银龄自检" if chinese else "Yinling doctor", show_lines=False)
    for heading in ("项目", "结果", "说明", "处理办法") if chinese else ("Check", "Result", "Found", "What to do"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        text, fix = (check.zh, check.fix_zh) if chinese else (check.en, check.fix_en)
        table.add_row(check.name, Text(*MARKS[check.verdict]), text, fix)
    return table
