import io
import re

import numpy as np
from rich.console import Console

from oddsmith.evaluate.metrics import Cost
from oddsmith.evidence.contenders import Contender
from oddsmith.evidence.gate import gate
from oddsmith.evidence.rows import AuditRows
from oddsmith.report.gate_report import draw_gate
from oddsmith.report.terminal import console_for


def compared(n=300, slices=None, **options):
    rng = np.random.default_rng(0)
    eta = rng.normal(-1, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    noisy = eta + rng.normal(size=n)
    common = {"groups": np.arange(n) // 2, "slices": slices or {}}
    pair = (Contender(AuditRows(scores, scores, y, **common)) for scores in (eta, noisy))
    return gate(*pair, n_resamples=20, **options)


def drawn(found, width=None):
    stream = io.StringIO()
    draw_gate(
        found, console_for(stream) if width is None else Console(file=stream, width=width, highlight=False)
    )
    return stream.getvalue()


def test_the_verdict_comes_first_and_each_judged_figure_has_its_sentence():
    found = compared(price=Cost(fn=120, fp=18))
    lines = drawn(found).splitlines()
    assert lines[0] == f"{found.verdict}: {found.sentence}"
    judged = [difference for difference in found.differences if difference.verdict]
    assert len(judged) == 4
    for line, difference in zip(lines[1:5], judged, strict=True):
        assert line.split(maxsplit=1) == [difference.verdict, difference.sentence]
    assert "Candidate against incumbent on 300 rows of 150 groups, " in drawn(found)
    assert lines[-1] == "Costs of both: fn=120, fp=18, as given."


def test_every_figure_and_part_is_there_and_nothing_is_cut_off():
    region = np.where(np.arange(300) < 3, "far\x1b[31m away", np.array(["n\nw", "se"])[np.arange(300) % 2])
    found = compared(slices={"region": region})
    text = drawn(found)
    assert text.isascii()
    assert "\x1b" not in text
    for name in ("log loss", "AUC", "smooth ECE", "Brier score", "cost a case: no costs are stated"):
        assert re.search(rf"^{name}", text, flags=re.MULTILINE)
    assert re.search(r"^region: far\\x1b\[31m away, log loss +3 .*too small$", text, flags=re.MULTILINE)
    assert re.search(r"^region: n\\nw, log loss +148 ", text, flags=re.MULTILINE)
    assert found.multiplicity in text
    narrow = drawn(found, width=60)
    words = set(re.findall(r"\S+", text))
    assert words <= set(re.findall(r"\S+", narrow))


def test_a_figure_without_an_interval_says_so():
    found = compared(n=2)
    assert "unknown" in drawn(found)
