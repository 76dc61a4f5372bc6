"""Markdown for GitHub: foreign text stays text, and what is too long is left out."""

from collections import Counter
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from doubles.hostile_texts import HOSTILE
from markdown_it import MarkdownIt

from pipeline.report.markdown import code, fit, raw_url
from pipeline.report.outcomes import Outcomes, Problem
from pipeline.report.plan_summary import PLAN_MARK, PlanRow, PlanTotals, plan_lines
from pipeline.report.step_summary import summary_lines


class Page(HTMLParser):
    """What a reader sees: the elements, the text in code and the text outside."""

    def __init__(self, markdown):
        super().__init__()
        self.tags = Counter()
        self.pictures = []
        self.in_code = [""]
        self.outside = ""
        self._is_code = False
        renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
        self.feed(renderer.render(markdown))

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        if tag == "img":
            self.pictures.append(dict(attrs)["src"])
        if tag == "code":
            self._is_code = True
            self.in_code.append("")

    def handle_endtag(self, tag):
        self._is_code &= tag != "code"

    def handle_data(self, data):
        if self._is_code:
            self.in_code[-1] += data
        else:
            self.outside += data


OURS = {
    *("h3", "h4", "p", "ul", "li", "code", "table", "thead", "tbody", "tr", "th", "td"),
    *("details", "summary", "img"),
}


def summary(outcomes, room=10**6, urls=None, **named):
    named = {"name": "icons", "facts": [], "next_steps": []} | named
    lines = summary_lines(outcomes, urls=urls or {}, is_ok=False, **named)
    return fit(lines, room)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup_in_a_summary(outcome, text):
    outcomes = Outcomes(problems=[Problem(message=text, hint=text)])
    outcomes.add(outcome(text, "failed", reason=text, hint=text))
    outcomes.add(outcome(text, "saved", review=text, files=(text,), is_new=True))

    page = Page(summary(outcomes, name=text, next_steps=[text], facts=[code(text)]))

    assert set(page.tags) <= OURS
    assert page.tags["tr"] == 6  # three tables of one row each
    assert "example" not in page.outside
    assert "octocat" not in page.outside
    shown = " ".join(text.split())
    if shown.isprintable():
        assert page.in_code.count(shown) >= 8


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup_in_a_plan(text):
    row = PlanRow(item_id=text, sign="+", reason=text, units=Decimal(6))
    plan = PlanTotals(rows={text: row}, units=Decimal(6), problems=(text,))

    lines = plan_lines(plan, None, name=text, summary=text, urls={})
    page = Page("\n".join(lines))

    assert set(page.tags) <= OURS
    assert page.tags["tr"] == 2
    assert "octocat" not in page.outside


def test_failures_come_first_with_reason_place_next_step_and_picture(outcome):
    outcomes = Outcomes()
    outcomes.add(outcome("yew", "saved", is_new=True, files=("yew.png",)))
    outcomes.add(outcome("elm", "blocked"))
    outcomes.add(outcome("oak", "failed", pictures=("/r/style.png", "/r/other.png")))
    url = raw_url("https://github.com/o/n", "abc", 'refs/a "style".png')

    text = summary(
        outcomes, urls={"/r/style.png": url}, next_steps=["look, then: pipeline rerun"]
    )
    page = Page(text)

    assert page.outside.split("\n")[0] == "❌ : 1 failed, 1 blocked, 1 saved"
    order = [one for one in page.in_code if one in {"oak", "elm", "yew"}]
    assert order == ["oak", "elm", "yew"]
    assert {"icons.yaml:12", "moderated", "change the prompt"} <= set(page.in_code)
    assert "pipeline rerun" in page.in_code  # alone, to be copied
    assert page.pictures == ["https://github.com/o/n/raw/abc/refs/a%20%22style%22.png"]


def test_a_summary_of_many_failures_is_cut_at_a_line(outcome):
    outcomes = Outcomes()
    for number in range(20_000):
        outcomes.add(outcome(f"oak-{number}", "failed", reason="a|b" * 100))

    whole, cut = summary(outcomes), summary(outcomes, room=20_000)

    assert len(whole.encode()) < 1_000_000
    assert "… and 19,900 more" in whole
    assert len(cut.encode()) <= 20_000
    assert cut.endswith("\n… the rest does not fit here\n")
    assert cut.splitlines()[-3].endswith("|")


def test_without_room_nothing_is_written(outcome):
    assert fit(["a", "b"], 10) == ""
    assert fit(["a", "b"], -5) == ""


@pytest.mark.parametrize(
    ("head", "base", "said"),
    [
        (30, 6, "this change concerns 1 item and costs 24 units"),
        (6, 30, "this change concerns 1 item and saves 24 units"),
        (6, 6, "this change concerns 1 item and costs nothing"),
        (None, 6, "this change concerns 1 item, price not known"),
    ],
)
def test_a_change_is_told_from_what_was_to_do_before(head, base, said):
    def plan(units, *names):
        rows = {
            name: PlanRow(item_id=name, sign="+", reason="new", units=Decimal(6))
            for name in names
        }
        return PlanTotals(rows=rows, units=None if units is None else Decimal(units))

    lines = list(
        plan_lines(
            plan(head, "oak", "elm"),
            plan(base, "oak"),
            name="icons",
            summary="2 items",
            urls={},
        )
    )

    assert lines[0] == PLAN_MARK
    page = Page("\n".join(lines))
    assert page.outside.strip().split("\n")[0] == f": {said}"
    assert "elm" in page.in_code
    assert "oak" not in page.in_code
    assert "1 item to do without this change too." in page.outside
