#!/usr/bin/env python3
"""Makes reports of made-up runs and checks that their HTML is well formed: check_report.py SAMPLE_REPORT

Every tag that needs closing is closed, in order; ids are unique; charts have a title and a description.
"""
import html.parser
import json
import subprocess
import sys
import tempfile

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Checker(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.faults, self.ids = [], [], set()
        self.charts = self.titles = self.descriptions = 0

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        if len(names) != len(set(names)):
            self.faults.append(f"{self.getpos()}: <{tag}> has an attribute twice")
        for name, value in attributes:
            if name == "id":
                if value in self.ids:
                    self.faults.append(f"{self.getpos()}: id {value} comes twice")
                self.ids.add(value)
        self.charts += tag == "svg" and ("role", "img") in attributes
        self.titles += tag == "title" and self.open[-1:] == ["svg"]
        self.descriptions += tag == "desc"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"{self.getpos()}: </{tag}> closes nothing")


def check(sample_report, rounds, learners):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sample_report, folder, str(rounds), str(learners)], check=True)
        text = open(f"{folder}/report.html", encoding="utf-8").read()
        summary = json.load(open(f"{folder}/summary.json"))
        lines = [json.loads(line) for line in open(f"{folder}/metrics.jsonl")]
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert not checker.faults, "\n".join(checker.faults)
    assert not checker.open, f"never closed: {checker.open}"
    assert checker.charts == checker.titles == checker.descriptions
    assert checker.charts == ((6 if rounds > 1 else 4) if rounds else 0), f"{checker.charts} charts"
    assert summary["rounds"] == rounds
    assert len(lines) == rounds * (learners + 1) + rounds // 2 * learners


for size in [(0, 0), (1, 1), (20, 10), (300, 40)]:
    check(sys.argv[1], *size)
    print(f"{size[0]} rounds, {size[1]} learners: well formed")
