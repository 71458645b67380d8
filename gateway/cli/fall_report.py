"""The report of a fall evaluation as one HTML file that needs nothing else, in Chinese or English."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from analytics.figures import Report, Stage
from gateway.cli.plots import Plot, Series, svg

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.config import Language

LONGEST_DELAY_S = 15.0
MOST_FALSE_SHARE = 0.2
"""The operating curve is drawn up to this share of activities; beyond it nobody would use a detector."""
STYLE = """body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;max-width:980px;margin:2em auto;
padding:0 1em;color:#222}table{border-collapse:collapse;margin:.6em 0 1.6em}td,th{border:1px solid #ccc;
padding:.25em .7em;text-align:right}td:first-child,th:first-child{text-align:left}th{background:#f2f4f7}
.plot{max-width:520px;width:100%}.plot text{font:12px sans-serif;text-anchor:middle}.plot .title{font-weight:600}
.plot .legend{text-anchor:end}.grid{stroke:#ddd;fill:none}.note{color:#555}"""
TEXTS: dict[str, tuple[str, str]] = {
    "title": ("跌倒检测评估", "Evaluation of fall detection"),
    "not_medical": (
        "非医疗器械。以下均为模拟跌倒，不代表真实跌倒的表现。",
        "Not a medical device. The falls are acted; real falls are found less often.",
    ),
    "protocol": ("方法", "Protocol"),
    "trials": ("试验", "Trials"),
    "people": ("受试者", "People"),
    "falls": ("跌倒", "Falls"),
    "activities": ("日常活动", "Activities"),
    "hours": ("活动小时数", "Hours of activities"),
    "overall": ("总体（事件，流式）", "Overall (events, streamed)"),
    "sensitivity": ("灵敏度 %", "Sensitivity %"),
    "specificity": ("特异度 %", "Specificity %"),
    "precision": ("精确率 %", "Precision %"),
    "f1": ("F1 %", "F1 %"),
    "accuracy": ("准确率 %", "Accuracy %"),
    "per_hour": ("每小时误报", "False alarms per hour"),
    "per_day": ("每天误报", "False alarms per day"),
    "auc": ("曲线下面积", "Area under the curve"),
    "window": (
        "每次试验一个窗口（仅模型，用于与论文比较）",
        "One window a trial (the model alone, to compare with papers)",
    ),
    "delay": ("从撞击到发出的延迟（秒）", "Delay from the impact until the finding is out (s)"),
    "suspected": ("疑似", "suspected"),
    "confirmed": ("确认", "confirmed"),
    "median": ("中位数", "median"),
    "p95": ("95 % 之内", "95 % within"),
    "count": ("数量", "count"),
    "by_dataset": ("按数据集", "By data set"),
    "by_group": ("按年龄组", "By age group"),
    "by_site": ("按佩戴部位", "By wear site"),
    "by_activity": ("按活动", "By activity"),
    "by_subject": ("按受试者", "By person"),
    "spread": ("人群均值与离散", "Mean and spread over people"),
    "mean": ("均值", "mean"),
    "sd": ("标准差", "standard deviation"),
    "lowest": ("最低", "lowest"),
    "stages": ("各阶段的去留", "Which stage decided"),
    "stage": ("阶段", "Stage"),
    "gate": ("初筛", "gate"),
    "candidate": ("候选", "candidate"),
    "model": ("模型", "model"),
    "confirmation": ("后续观察", "following"),
    "fusion": ("合并", "joining"),
    "alarm": ("报警", "alarm"),
    "gate_pass": ("通过初筛的跌倒", "Falls that pass the gate"),
    "missed": ("漏报", "Missed falls"),
    "alarmed": ("误报", "Activities with an alarm"),
    "score": ("得分", "Score"),
    "decided_by": ("由何决定", "Decided by"),
    "robustness": ("较差设备下的变化", "Worse equipment"),
    "base": ("原始", "as recorded"),
    "f1_drop": ("F1 下降 %", "F1 lower by %"),
    "without_pause": ("连续的日常活动", "Daily life without a pause"),
    "damaged": ("无法读取的文件", "Files that could not be read"),
    "curve": ("工作曲线（后续观察之前）", "Operating curve (before following)"),
    "false_share": ("误报的活动比例", "share of activities with a false alarm"),
    "found_share": ("检出的跌倒比例", "share of falls found"),
    "in_use": ("实际工作点", "in use"),
    "delay_plot": ("延迟的分布", "How soon findings are out"),
    "seconds": ("撞击后秒数", "seconds after the impact"),
    "name": ("名称", "Name"),
}


class Words:
    """The texts in one language."""

    def __init__(self, language: Language) -> None:
        self._column = 0 if language == "zh-CN" else 1
        self.language = language

    def __getitem__(self, key: str) -> str:
        return TEXTS[key][self._column]


def plots_of(result: Report, language: Language) -> list[Plot]:
    """The operating curve, and how soon findings are out; without falls there is none."""
    words, overall = Words(language), result["overall"]
    drawn = []
    points = result["curve"]["points"]
    if points:
        curve = [(other, fall) for _, fall, other in reversed(points) if other <= MOST_FALSE_SHARE]
        used = [(1 - overall["specificity"]["value"], overall["sensitivity"]["value"])]
        series = [Series(words["curve"], curve), Series(words["in_use"], used)]
        drawn.append(
            Plot("curve", words["curve"], words["false_share"], words["found_share"], series, MOST_FALSE_SHARE)
        )
    delays = [Series(words[phase], _rising(one["values"])) for phase, one in result["delay_s"].items() if one["count"]]
    if delays:
        title, x_label = words["delay_plot"], words["seconds"]
        drawn.append(Plot("delay", title, x_label, words["found_share"], delays, LONGEST_DELAY_S))
    return drawn


def _rising(values: Sequence[float]) -> list[tuple[float, float]]:
    return [(value, (number + 1) / len(values)) for number, value in enumerate(values)]


def html(result: Report, language: Language) -> str:
    """The whole report."""
    words = Words(language)
    head = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{words['title']}</title><style>{STYLE}</style></head><body><h1>{words['title']}</h1>"
        f'<p class="note">{words["not_medical"]}</p>'
    )
    return "".join([head, *_sections(result, words), "</body></html>\n"])


def _sections(result: Report, words: Words) -> Iterable[str]:
    yield _facts(result, words)
    yield _section(words["overall"], _figures({result["protocol"]: result["overall"]}, words))
    yield "".join(svg(plot) for plot in plots_of(result, words.language))
    yield _section(words["delay"], _delays(result["delay_s"], words))
    if "without_pause" in result:
        yield _section(words["without_pause"], _figures({"": result["without_pause"]["overall"]}, words))
    yield _section(words["stages"], _stages(result["stages"], words))
    if result["window"]["f1"] is not None:
        yield _section(words["window"], _window(result["window"], words))
    for key in ("by_dataset", "by_group", "by_site", "by_activity"):
        yield _section(words[key], _figures(result[key], words))
    yield _section(words["spread"], _spread(result["by_subject"], words))
    yield _section(words["by_subject"], _figures(result["by_subject"]["each"], words))
    if "robustness" in result:
        yield _section(words["robustness"], _robustness(result["robustness"], words))
    for key in ("missed", "alarmed"):
        rows = [
            [one["name"], words[one["stage"]], f"{one['score']:.3f}", one["decided_by"]]
            for one in result["stages"][key]
        ]
        yield _section(words[key], _table([words[n] for n in ("name", "stage", "score", "decided_by")], rows))
    if result.get("damaged"):
        yield _section(words["damaged"], _table([words["name"]], [[one] for one in result["damaged"]]))


def _facts(result: Report, words: Words) -> str:
    overall = result["overall"]
    rows = [
        [words["protocol"], result["protocol"]],
        [words["model"], result["model"]],
        [words["trials"], str(result["trials"])],
        [words["people"], str(len(result["subjects"]))],
        [words["falls"], str(overall["falls"])],
        [words["activities"], str(overall["activities"])],
        [words["hours"], f"{overall['activity_hours']:.2f}"],
    ]
    return _table(None, rows)


def _figures(parts: Report, words: Words) -> str:
    names = ("falls", "activities", "sensitivity", "specificity", "precision", "f1", "per_hour", "per_day")
    rows = [
        [
            name,
            f"{part['detected']}/{part['falls']}",
            f"{part['activities'] - part['false_alarm_trials']}/{part['activities']}",
            *(_percent(part[key]) for key in ("sensitivity", "specificity", "precision", "f1")),
            _rate(part["false_alarms_per_hour"]),
            _rate(part["false_alarms_per_day"]),
        ]
        for name, part in parts.items()
    ]
    return _table([words["name"], *(words[name] for name in names)], rows)


def _delays(delays: Report, words: Words) -> str:
    names = ("count", "median", "p95")
    rows = [
        [words[phase], str(one["count"]), *("—" if one[key] is None else f"{one[key]:.2f}" for key in names[1:])]
        for phase, one in delays.items()
    ]
    return _table(["", *(words[name] for name in names)], rows)


def _stages(table: Report, words: Words) -> str:
    rows = [[words[stage], str(table["falls"][stage]), str(table["activities"][stage])] for stage in map(str, Stage)]
    note = f"<p>{words['gate_pass']}: {_percent(table['gate_pass'])}</p>"
    return note + _table([words["stage"], words["falls"], words["activities"]], rows)


def _window(window: Report, words: Words) -> str:
    names = ("sensitivity", "specificity", "precision", "f1", "accuracy")
    row = [*(_percent(window[name]) for name in names), "—" if window["auc"] is None else f"{window['auc']:.4f}"]
    return _table([*(words[name] for name in names), words["auc"]], [row])


def _spread(people: Report, words: Words) -> str:
    rows = []
    for key in ("sensitivity", "specificity", "f1"):
        if (one := people[key]) is not None:
            spread = "—" if one["sd"] is None else f"{100 * one['sd']:.1f}"
            lowest = f"{100 * one['lowest']:.1f} ({one['lowest_person']})"
            rows.append([words[key], str(one["people"]), f"{100 * one['mean']:.1f}", spread, lowest])
    return _table(["", *(words[name] for name in ("people", "mean", "sd", "lowest"))], rows)


def _robustness(table: Report, words: Words) -> str:
    rows = []
    for name, one in {words["base"]: table["base"], **table["changes"]}.items():
        drop = one.get("f1_drop")
        shown = [_percent(one[key]) for key in ("sensitivity", "specificity", "f1")]
        rows.append([name, *shown, "—" if drop is None else f"{100 * drop:.1f}"])
    return _table(["", *(words[name] for name in ("sensitivity", "specificity", "f1", "f1_drop"))], rows)


def _percent(figure: Report | None) -> str:
    if figure is None:
        return "—"
    return f"{100 * figure['value']:.1f} ({100 * figure['low']:.1f}–{100 * figure['high']:.1f})"


def _rate(figure: Report | None) -> str:
    return "—" if figure is None else f"{figure['value']:.3g} ({figure['low']:.3g}–{figure['high']:.3g})"


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>{body}"


def _table(head: Sequence[str] | None, rows: Iterable[Sequence[str]]) -> str:
    top = "" if head is None else f"<tr>{''.join(f'<th>{escape(one)}</th>' for one in head)}</tr>"
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{top}{body}</table>"
