"""The fall detector: in time, in phases, whatever the chunks, gaps, order and company of the samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fall_scenes import START_NS, blocks, fall, walk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analytics.falls import FallDetector
from analytics.falls.confirm import Episode, Verdict, free_fall_ms, judge
from analytics.falls.model import GRADES, SENSITIVITIES, shipped
from analytics.findings import Finding, Phase
from analytics.kinds import KINDS
from device_drivers.observations import DeviceEvent, Samples

SECOND = 1_000_000_000
IMPACT_NS = START_NS + round(6.5 * SECOND)


def run(sent: list[Samples], detector: FallDetector | None = None, wait_s: float = 0.0) -> list[Finding]:
    """Findings of blocks as they arrive, one step each, and one more step `wait_s` after the last."""
    if detector is None:
        detector = FallDetector()
        for name in sorted({block.device_id for block in sent}):
            detector.attach(name, f"resident of {name}")
    found: list[Finding] = []
    for block in sent:
        detector.ingest([block])
        found += detector.step(block.received_ns)
    return found + (detector.step(sent[-1].received_ns + round(wait_s * SECOND)) if wait_s else [])


def phases(found: list[Finding]) -> list[str]:
    return [finding.phase.value for finding in found]


@pytest.mark.parametrize("rate", [12.5, 25.0, 50.0, 100.0, 200.0])
def test_a_fall_is_suspected_and_confirmed_in_time_at_any_rate(rate: float) -> None:
    detector = FallDetector()
    detector.attach("a", "wang")
    when: dict[Phase, int] = {}
    for block in blocks("a", fall(rate), rate, size=max(1, int(rate / 10)), delay_ns=0):
        detector.ingest([block])
        for finding in detector.step(block.received_ns):
            when[finding.phase] = block.received_ns
            assert abs(finding.at_ns - IMPACT_NS) < 0.1 * SECOND
            assert finding.episode == f"fall:a:{finding.at_ns}"
            assert (finding.kind, finding.resident_id, finding.devices) == ("fall", "wang", ("a",))
    assert when.keys() == {Phase.SUSPECTED, Phase.CONFIRMED}
    assert when[Phase.SUSPECTED] - IMPACT_NS <= 2.5 * SECOND
    assert when[Phase.CONFIRMED] - IMPACT_NS <= 12 * SECOND


def test_the_findings_say_why() -> None:
    suspected, confirmed = run(blocks("a", fall()))
    evidence = suspected.evidence
    assert evidence["peak_g"] == pytest.approx(5.0, abs=0.2)
    assert evidence["free_fall_ms"] == pytest.approx(470, abs=60)
    assert evidence["tilt_deg"] == pytest.approx(90, abs=3)
    assert evidence["score"] == suspected.confidence
    assert evidence["model"] == "falls-2"
    assert "reason" not in evidence
    assert confirmed.evidence["reason"] == "still"
    assert confirmed.evidence["stillness_g"] < 0.05  # type: ignore[operator]
    assert confirmed.confidence > suspected.confidence


def test_walking_and_lying_down_slowly_say_nothing() -> None:
    t = np.arange(1500) / 50
    angle = np.clip((t - 10) / 4, 0, 1) * np.pi / 2
    lying = np.column_stack([np.sin(angle), 0 * angle, np.cos(angle)]).astype(np.float32)
    assert run(blocks("a", walk(seconds=60)), wait_s=30) == []
    assert run(blocks("a", lying), wait_s=30) == []


def test_getting_up_and_walking_on_clears() -> None:
    found = run(blocks("a", fall(up_s=10.5)))
    assert phases(found) == ["suspected", "cleared"]
    assert found[1].evidence["reason"] in {"back_up", "walks_on"}
    assert found[1].episode == found[0].episode


def test_running_on_clears_even_in_another_position() -> None:
    values = fall()
    t = np.arange(len(values)) / 50
    values[:, 0] += np.where(t > 8.5, 0.8 * np.sin(2 * np.pi * 2 * t), 0).astype(np.float32)
    found = run(blocks("a", values))
    assert phases(found) == ["suspected", "cleared"]
    assert found[1].evidence["reason"] == "walks_on"


def test_moving_on_the_floor_without_getting_up_is_confirmed_at_the_end() -> None:
    values = fall()
    t = np.arange(len(values)) / 50
    moving = (t > 9) & (np.floor(t) % 2 == 0)
    values[:, 1] += np.where(moving, 0.5 * np.sin(2 * np.pi * 1.5 * t), 0).astype(np.float32)
    found = run(blocks("a", values))
    assert phases(found) == ["suspected", "confirmed"]
    assert found[1].evidence["reason"] == "not_up"


def test_a_signal_that_stops_after_the_suspicion_is_confirmed_and_says_so() -> None:
    detector = FallDetector()
    detector.attach("a", "wang")
    sent = blocks("a", fall()[: 50 * 9])
    assert phases(run(sent, detector)) == ["suspected"]
    last = sent[-1].received_ns
    assert detector.step(last + 11 * SECOND) == []
    (confirmed,) = detector.step(last + 13 * SECOND)
    assert confirmed.phase is Phase.CONFIRMED
    assert confirmed.evidence["signal_stopped"] is True
    assert detector.step(last + 60 * SECOND) == []


def test_a_hole_in_the_signal_after_the_suspicion_is_confirmed_too() -> None:
    sent = blocks("a", fall(seconds=30))
    found = run([*sent[:9], *sent[24:]])
    assert phases(found) == ["suspected", "confirmed"]
    assert found[1].evidence["reason"] == "signal_stopped"


def test_a_signal_that_stops_at_the_impact_is_judged_by_what_there_is() -> None:
    detector = FallDetector()
    detector.attach("a", "wang")
    sent = blocks("a", fall()[:350])
    assert run(sent, detector) == []
    assert detector.pending_devices() == {"a"}
    found = detector.step(sent[-1].received_ns + 4 * SECOND)
    assert phases(found) == ["suspected"]
    assert detector.pending_devices() == set()


def test_an_impact_with_nothing_after_it_is_counted() -> None:
    detector = FallDetector()
    detector.attach("a", "wang")
    sent = blocks("a", fall()[:326])
    assert run(sent, detector, wait_s=10) == []
    assert detector.counts["undecidable"] == 1
    assert detector.pending_devices() == set()


def test_devices_are_pending_from_the_gate_to_the_score() -> None:
    detector = FallDetector()
    for name in "ab":
        detector.attach(name, None)
    pending = []
    for one, other in zip(blocks("a", fall()), blocks("b", walk()), strict=True):
        detector.ingest([one, other])
        between = detector.pending_devices()
        detector.step(one.received_ns)
        pending.append((between, detector.pending_devices()))
    assert all("b" not in between | after for between, after in pending)
    assert [bool(after) for _, after in pending[:10]] == [False] * 6 + [True] * 3 + [False]
    assert pending[8][0] == {"a"}  # concluded, and not given out before `step`


@settings(max_examples=25, deadline=None)
@given(
    rate=st.sampled_from([25.0, 50.0, 100.0]),
    sizes=st.lists(st.integers(1, 150), min_size=1, max_size=5),
    up_s=st.sampled_from([None, 10.5, 14.0]),
    every=st.integers(1, 30),
)
def test_findings_do_not_depend_on_chunks_or_steps(
    rate: float, sizes: list[int], up_s: float | None, every: int
) -> None:
    values = fall(rate, up_s=up_s)
    reference = run(blocks("a", values, rate, size=int(rate)))
    detector = FallDetector()
    detector.attach("a", "resident of a")
    sent = blocks("a", values, rate, size=sizes)
    found: list[Finding] = []
    for start in range(0, len(sent), every):
        group = sent[start : start + every]
        detector.ingest(group)
        found += detector.step(group[-1].received_ns)
    assert found == reference
    assert phases(found)[0] == "suspected"


def test_seconds_tenths_and_single_samples_give_equal_findings() -> None:
    values = fall()
    for size in (5, 1):
        assert run(blocks("a", values, size=size)) == run(blocks("a", values))


def test_wearers_do_not_see_each_other() -> None:
    alone = {
        "a": run(blocks("a", fall())),
        "b": run(blocks("b", fall(up_s=10.5, seed=5))),
        "c": run(blocks("c", walk())),
    }
    sent = [*blocks("a", fall()), *blocks("b", fall(up_s=10.5, seed=5)), *blocks("c", walk())]
    together = run(sorted(sent, key=lambda block: block.received_ns))
    for name, findings in alone.items():
        assert [finding for finding in together if finding.devices == (name,)] == findings


@settings(max_examples=20, deadline=None)
@given(lost=st.sets(st.integers(0, 14)), after_s=st.integers(15, 17))
def test_blocks_that_come_again_after_a_crash_are_made_good(lost: set[int], after_s: int) -> None:
    """Whatever of the first 15 s is redelivered late, the fall in it is found, once, and confirmed."""
    sent = blocks("a", fall())
    first = [block for i, block in enumerate(sent[:after_s]) if i not in lost]
    now = sent[after_s].received_ns
    late = [replace(sent[i], received_ns=now) for i in sorted(lost)]
    found = run([*first, *late, *sent[after_s:]], wait_s=20)
    episodes = {finding.episode for finding in found if abs(finding.at_ns - IMPACT_NS) < 0.1 * SECOND}
    assert len(episodes) == 1
    assert phases(found) == ["suspected", "confirmed"]


def test_a_refilled_hole_is_pending_until_it_was_looked_at() -> None:
    detector = FallDetector()
    detector.attach("a", "wang")
    sent = blocks("a", fall())
    assert run([*sent[:5], *sent[12:15]], detector) == []
    now = sent[15].received_ns
    detector.ingest(sent[5:12])
    assert detector.pending_devices() == {"a"}
    assert detector.step(now) == []
    found = detector.step(now + 2 * SECOND)
    assert phases(found) == ["suspected", "confirmed"]
    assert detector.pending_devices() == set()
    assert found[0].at_ns == found[1].at_ns == IMPACT_NS


def test_repeated_blocks_raise_no_second_fall() -> None:
    sent = blocks("a", fall())
    assert run([*sent, *sent[5:]], wait_s=20) == run(sent)


def test_bounces_of_one_fall_are_one_episode_and_two_falls_are_two() -> None:
    bouncing = fall()
    bouncing[400:402] += 3
    assert len({finding.episode for finding in run(blocks("a", bouncing))}) == 1
    twice = np.concatenate([fall(seconds=30, up_s=20.0), fall()])
    assert phases(run(blocks("a", twice))) == ["suspected", "confirmed", "suspected", "confirmed"]


def test_a_second_fall_before_the_first_is_cleared_belongs_to_it() -> None:
    values = np.concatenate([fall(up_s=8.0)[:425], fall(seconds=20, fall_s=1.0)])
    found = run(blocks("a", values))
    assert phases(found) == ["suspected", "confirmed"]
    assert found[1].evidence["reason"] in {"still", "not_up"}


def test_a_second_fall_after_the_first_was_cleared_is_a_new_one() -> None:
    values = np.concatenate([fall(up_s=9.0)[:500], fall(seconds=20, fall_s=1.5)])
    found = run(blocks("a", values))
    assert phases(found) == ["suspected", "cleared", "suspected", "confirmed"]
    assert found[2].at_ns == START_NS + 12 * SECOND


def test_only_what_comes_after_the_latest_impact_clears() -> None:
    episode = Episode(0, 1000, np.array([0, 0, 1], np.float32))
    episode.wobble_g, episode.tilt_deg = [0.5, 0.1, 0.1], [80.0, 5.0, 5.0]
    assert judge(episode) is Verdict.BACK_UP
    episode.strike_again(1000 + 3 * 50)
    assert judge(episode) is None
    episode.wobble_g += [0.5, 0.1, 0.1]
    episode.tilt_deg += [80.0, 5.0, 5.0]
    assert judge(episode) is Verdict.BACK_UP


def test_unknown_seconds_never_clear() -> None:
    episode = Episode(0, 1000, np.full(3, np.nan, np.float32))
    for _ in range(9):
        episode.wobble_g.append(np.nan)
        episode.tilt_deg.append(np.nan)
        assert judge(episode) is None
    episode.wobble_g.append(np.nan)
    episode.tilt_deg.append(np.nan)
    assert judge(episode) is Verdict.SIGNAL_STOPPED


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_scattered_missing_samples_do_not_hide_a_fall(share: float) -> None:
    values = fall()
    values[np.random.default_rng(3).random(len(values)) < share] = np.nan
    assert phases(run(blocks("a", values))) == ["suspected", "confirmed"]


@pytest.mark.parametrize("full_scale", [1.5, 2.0, 4.0, 8.0])
def test_sensors_of_any_range_find_it(full_scale: float) -> None:
    values = np.clip(fall(), -full_scale, full_scale)
    found = run(blocks("a", values, full_scale=full_scale))
    assert phases(found) == ["suspected", "confirmed"]
    assert found[0].evidence["clipped"] is (full_scale < 5)


def test_clock_jumps_do_not_stop_the_watch() -> None:
    for jump in (-5 * 3600 * SECOND, 9 * 365 * 86_400 * SECOND):
        quiet = blocks("a", walk(seconds=10))
        sent = blocks("a", fall(), start_ns=START_NS + 10 * SECOND)
        moved = [replace(block, at_ns=block.at_ns + jump) for block in sent]
        found = run([*quiet, *moved])
        assert phases(found) == ["suspected", "confirmed"]
        assert found[0].at_ns == START_NS + jump + round(16.5 * SECOND)


def test_a_gateway_clock_set_back_neither_clears_nor_hangs() -> None:
    detector = FallDetector()
    detector.attach("a", "wang")
    sent = blocks("a", fall()[: 50 * 9])
    assert phases(run(sent, detector)) == ["suspected"]
    back = sent[-1].received_ns - 3600 * SECOND
    assert detector.step(back) == []
    assert phases(detector.step(back + 13 * SECOND)) == ["confirmed"]


def test_attach_detach_and_move() -> None:
    detector = FallDetector()
    sent = blocks("a", fall())
    assert run(sent, detector) == []
    detector.attach("a", "wang")
    detector.attach("a", "wang")
    assert phases(run(sent[:9], detector)) == ["suspected"]
    detector.attach("a", "li")
    assert detector.step(sent[-1].received_ns + 60 * SECOND) == []
    assert {finding.resident_id for finding in run(sent, detector)} == {"li"}
    detector.detach("a")
    detector.detach("a")
    assert run(sent, detector) == []
    assert detector.pending_devices() == set()


def test_history_raises_no_alarm() -> None:
    stored = [replace(block, stored=True) for block in blocks("a", fall())]
    assert run(stored, wait_s=30) == []


@pytest.mark.parametrize("still_g", [0.004, 0.03])
def test_a_drop_a_blow_a_turn_and_stillness_are_a_fall_whatever_went_before(still_g: float) -> None:
    """A fall out of sitting still, which the model alone scores low."""
    rng = np.random.default_rng(4)
    seconds = 25
    accel = rng.normal(0, still_g, (seconds * 50, 3)).astype(np.float32)
    accel[:500, 2] += 1.0
    accel[500:520, 2] += 0.1
    accel[520:523] += (2.5, 2.0, 1.5)
    accel[523:, 0] += 1.0
    detector = FallDetector()
    detector.attach("w", "r")
    found = []
    for second in range(seconds):
        block = accel[second * 50 : (second + 1) * 50]
        at_ns = 1_800_000_000 * 10**9 + second * 10**9
        detector.ingest([Samples("w", "accel", block, 50.0, at_ns, at_ns + 10**9, 8.0)])
        found += detector.step(at_ns + 10**9)
    assert [finding.phase.value for finding in found] == ["suspected", "confirmed"]
    assert found[0].evidence["rule"] == "drop, blow, turn, stillness"
    assert found[0].evidence["free_fall_ms"] >= 300


def still_fall(seconds: int = 25, free_fall_g: float = 0.05, still_g: float = 0.004) -> NDArray[np.float32]:
    """Held still for 10 s, then 0.4 s of free fall, a blow, and perfect stillness in another position."""
    accel = np.random.default_rng(4).normal(0, still_g, (seconds * 50, 3)).astype(np.float32)
    accel[:500, 2] += 1.0
    accel[500:520, 2] += free_fall_g
    accel[520:523] += (2.5, 2.0, 1.5)
    accel[523:, 0] += 1.0
    return accel


def dropped(worn: bool | None, *, stored: bool = False, **more: float) -> list[Finding]:
    """Findings of a thing that fell; the device says `worn` two seconds after."""
    detector = FallDetector()
    detector.attach("w", "r")
    found: list[Finding] = []
    for block in blocks("w", still_fall(**more)):  # type: ignore[arg-type]
        if worn is not None and block.at_ns == START_NS + 13 * SECOND:
            at_ns = block.at_ns - SECOND // 2
            detector.ingest([DeviceEvent("w", "worn", worn, at_ns, block.received_ns, stored=stored)])
        detector.ingest([block])
        found += detector.step(block.received_ns)
    return found


def test_a_device_that_fell_and_says_that_nobody_wears_it_is_no_fall_of_a_person() -> None:
    suspected, told, cleared = dropped(worn=False)
    assert [one.phase.value for one in (suspected, told, cleared)] == ["suspected", "confirmed", "cleared"]
    assert (suspected.kind, told.kind, cleared.kind) == ("fall", "device_dropped", "fall")
    assert cleared.evidence["reason"] == "device_dropped"
    assert KINDS[told.kind].technical
    assert told.episode != cleared.episode == suspected.episode


@pytest.mark.parametrize(
    ("worn", "more"),
    [
        (None, {}),
        (True, {}),
        (False, {"free_fall_g": 0.4}),
        (False, {"still_g": 0.03}),
        (False, {"stored": True}),
    ],
)
def test_with_any_sign_missing_it_stays_a_fall(worn: bool | None, more: dict[str, float]) -> None:
    found = dropped(worn, **more)  # type: ignore[arg-type]
    assert [(one.kind, one.phase.value) for one in found] == [("fall", "suspected"), ("fall", "confirmed")]
    assert "got_up" not in found[1].evidence


def test_what_a_device_says_of_itself_later_does_not_count_for_earlier() -> None:
    assert [one.kind for one in dropped(worn=False, seconds=22)] == ["fall", "device_dropped", "fall"]
    detector = FallDetector()
    detector.attach("w", "r")
    late = START_NS + 60 * SECOND
    detector.ingest([DeviceEvent("w", "worn", False, late, late)])
    detector.ingest([DeviceEvent("stranger", "worn", False, START_NS, START_NS)])
    found = run(blocks("w", still_fall()), detector)
    assert [one.phase.value for one in found] == ["suspected", "confirmed"]


def test_getting_up_is_said_in_the_evidence() -> None:
    assert run(blocks("a", fall(up_s=10.5)))[1].evidence["got_up"] is True


def test_free_fall_is_the_longest_stretch_below_a_quarter_of_g() -> None:
    lead = np.array([1, 0.2, 0.2, 0.5, 0.1, 0.1, 0.1, np.nan, 0.1], np.float32)
    assert free_fall_ms(lead) == 60.0
    assert free_fall_ms(np.ones(5, np.float32)) == 0.0


class Watching:
    """A `Trace` that keeps the scores by look."""

    def __init__(self) -> None:
        self.scores: list[float] = []

    def hits(self, *_: object) -> None:
        """Not of interest here."""

    def scored(self, *said: NDArray[np.float32]) -> None:
        self.scores += said[3].tolist()


def test_each_candidate_is_looked_at_twice_and_by_the_forests_of_its_site() -> None:
    by_site = {}
    for site in ("wrist", "waist", None, "ankle"):
        watching = Watching()
        detector = FallDetector(trace=watching)
        detector.attach("a", "wang", wear_site=site)
        run(blocks("a", fall()), detector)
        assert len(watching.scores) == 2
        by_site[site] = watching.scores[1]
    assert by_site["wrist"] != by_site["waist"]
    assert by_site[None] == by_site["ankle"] == pytest.approx((by_site["wrist"] + by_site["waist"]) / 2, abs=1e-6)


def test_a_signal_that_ends_before_the_second_look_is_judged_by_the_first_alone() -> None:
    watching = Watching()
    detector = FallDetector(trace=watching)
    detector.attach("a", "wang")
    run(blocks("a", fall()[: 50 * 8 + 25]), detector, wait_s=5)
    assert len(watching.scores) == 2
    assert watching.scores[1] == 0.0


def test_a_second_look_may_suspect_what_the_first_did_not() -> None:
    model = shipped()
    first = fall()[: 50 * 15] * np.float32(0.62)
    scores = Watching()
    detector = FallDetector(trace=scores)
    detector.attach("a", "wang", wear_site="wrist")
    run(blocks("a", first), detector)
    low, high = sorted(scores.scores)
    assert low < high
    between = (low + high) / 2
    points = {site: dict.fromkeys(SENSITIVITIES, between) for site in model.points}
    detector = FallDetector(replace(model, points=points))
    detector.attach("a", "wang", wear_site="wrist")
    found = run(blocks("a", first), detector)
    assert found[0].evidence["look"] == (1 if scores.scores[0] == high else 2)
    assert found[0].evidence["tilt_deg"] == pytest.approx(90, abs=5)


def test_sensitivity_moves_the_threshold_and_nothing_else_is_taken() -> None:
    detector = FallDetector()
    for level in ("low", "normal", "high"):
        detector.attach(level, "wang", wear_site="wrist", fall_sensitivity=level)
    for site in (None, "wrist", "waist"):
        for grade in GRADES:
            thresholds = [detector.model.threshold(site, level, grade) for level in ("low", "normal", "high")]
            assert thresholds == sorted(thresholds, reverse=True)
    detector.attach("normal", "wang", wear_site="wrist", fall_sensitivity="high")
    assert [wearer.sensitivity for wearer in detector._wearers.values()] == ["low", "high", "high"]
    with pytest.raises(ValueError, match="fall_sensitivity 'highest'"):
        detector.attach("a", "wang", fall_sensitivity="highest")


def test_other_options_change_how_a_device_is_judged_without_forgetting_its_past() -> None:
    detector = FallDetector()
    detector.attach("a", "resident of a")
    sent = blocks("a", fall())
    before = run(sent[:7], detector)
    detector.attach("a", "resident of a", wear_site="waist", fall_sensitivity="high")
    assert phases(before + run(sent[7:], detector)) == ["suspected", "confirmed"]
