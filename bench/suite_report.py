"""Tables (Markdown) and plots (SVG) of what ./dev bench measured."""
import datetime
import html
import os
import pathlib
import platform
import re
import statistics

# metric: key in the figures, heading, factor, digits, whether the spread is told
METRICS = {
    "milliseconds": ("seconds", "ms a round", 1e3, 2, True),
    "seconds": ("seconds", "s", 1, 3, True),
    "total_seconds": ("total_seconds", "s, start to finish", 1, 2, True),
    "server_bytes": ("server_bytes", "server's peak, MB", 1e-6, 0, False),
    "models": ("models", "in models", 1, 1, False),
    "learner_bytes": ("learner_bytes", "a learner's, MB", 1e-6, 0, False),
    "accuracy": ("accuracy", "test accuracy", 1, 4, False),
    "last_accuracy": ("last_accuracy", "after 30 rounds", 1, 4, False),
    "loss": ("loss", "loss", 1, 6, False),
    "bytes_to": ("bytes_to", "MB to the accuracy", 1e-6, 1, True),
    "up_bytes": ("up_bytes", "MB up a round", 1e-6, 2, False),
    "down_bytes": ("down_bytes", "MB down a round", 1e-6, 2, False),
    "speed": ("speed", "GB/s", 1, 2, True),
    "cpu": ("cpu", "client's CPU, s/GB", 1, 3, False),
    "p50": ("p50", "p50, µs", 1, 0, True),
    "p99": ("p99", "p99, µs", 1, 0, True),
    "calls": ("calls", "calls/s, 64 under way", 1, 0, True),
    "rounds": ("rounds", "rounds to it", 1, 0, False),
}
SUBJECT = "Cohort"


def values_of(figures, metric):
    key, _, factor, _, _ = METRICS[metric]
    return [one[key] * factor for one in figures if one.get(key) is not None]


def cell(figures, metric):
    values = values_of(figures, metric)
    if not values:
        return "–"
    digits, spread = METRICS[metric][3:]
    median = statistics.median(values)
    if digits == 2 and median >= 100:
        digits = 0
    text = f"{median:.{digits}f}"
    return text + (f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if spread and len(values) > 1 else "")


def ratio(contestants, name, metric):
    mine, theirs = (values_of(contestants.get(who, []), metric) for who in (SUBJECT, name))
    if name == SUBJECT or not mine or not theirs:
        return ""
    return f"{statistics.median(mine) / statistics.median(theirs):.2f}"


def table(part, figures):
    shown = [metric for metric in part.metrics
             if any(values_of(runs, metric) for contestants in figures.values() for runs in contestants.values())]
    compared = any(SUBJECT in contestants and len(contestants) > 1 for contestants in figures.values())
    heads = ["", "who", METRICS[shown[0]][1]] + (["Cohort's / theirs"] if compared else []) + [METRICS[metric][1] for metric in shown[1:]]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for case, contestants in figures.items():
        for i, (name, runs) in enumerate(contestants.items()):
            cells = ["" if i else case, name if name[0] != "{" else f"`{name}`", cell(runs, shown[0])]
            cells += [ratio(contestants, name, shown[0])] if compared else []
            cells += [cell(runs, metric) for metric in shown[1:]]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine():
    cpu = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                if line.startswith("model name")), platform.machine())
    control = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text(encoding="ascii").strip()
    where = "a network namespace of its own" if "COHORT_BENCH_INSIDE" in os.environ else "the machine's own network"
    return (f"{len(os.sched_getaffinity(0))} cores ({cpu}), Linux {platform.release()}, {where}, {control}, "
            f"load {os.getloadavg()[0]:.1f}, {datetime.date.today()}")


def section(part, figures, command, where):
    n_runs = max(len(runs) for contestants in figures.values() for runs in contestants.values())
    runs = f"Medians (least to most) of {n_runs} runs by turns" if n_runs > 1 else "One run"
    return (f"### {part.title}\n{part.about}\n\n`{command}`: {runs[0].lower() + runs[1:]}; {where}.\n\n{table(part, figures)}\n\n"
            f"![{part.title}](plots/{part.name}.svg)\n")


# ---- plots: for each case a bar a contestant, with a whisker from the least to the most

WIDTH, BAR, LABEL, LEFT_LEAST, LETTER = 720, 20, 120, 200, 6.6


def bar(name, values, longest, y, left):
    median, least, most = statistics.median(values), min(values), max(values)
    x = lambda value: left + value / longest * (WIDTH - left - LABEL)
    colour = "#2a6f97" if name.startswith(SUBJECT) else "#a9b4bd"
    middle = y + BAR / 2
    label = f"{median:,.0f}" if median >= 1000 else f"{median:.3g}"
    return (f'<text x="{left - 8:.0f}" y="{middle + 4}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect x="{left:.0f}" y="{y + 3}" width="{x(median) - left:.1f}" height="{BAR - 6}" fill="{colour}"/>'
            f'<path d="M{x(least):.1f} {middle}H{x(most):.1f}" stroke="#333"/>'
            f'<text x="{x(most) + 6:.1f}" y="{middle + 4}">{label}</text>')


def plot(part, figures):
    metric, shapes, y = part.metrics[0], [], 8
    left = max([LEFT_LEAST] + [16 + LETTER * len(name) for contestants in figures.values() for name in contestants])
    for case, contestants in figures.items():
        bars = {name: values for name, runs in contestants.items() if (values := values_of(runs, metric))}
        if not bars:
            continue
        y += 22
        shapes.append(f'<text x="8" y="{y - 6}" font-weight="bold">{html.escape(case)}: {METRICS[metric][1]}</text>')
        longest = max(max(values) for values in bars.values()) or 1
        for name, values in bars.items():
            shapes.append(bar(name, values, longest, y, left))
            y += BAR
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="#fff"/>{"".join(shapes)}</svg>\n')


def update(document, part, report, drawing):
    """Puts a part's section between its marks in the document, or at the end of the chapter on peers."""
    plots = document.parent / "plots"
    plots.mkdir(exist_ok=True)
    (plots / f"{part.name}.svg").write_text(drawing, encoding="utf-8")
    text = document.read_text(encoding="utf-8")
    begin, end = f"<!-- bench {part.name} -->\n", f"<!-- end of {part.name} -->\n"
    block = begin + report + end
    marked = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if marked.search(text):
        text = marked.sub(lambda _: block, text)
    else:
        head = "## Beside peers\n"
        if head not in text:
            text = text.rstrip("\n") + f"\n\n{head}"
        start = text.index(head) + len(head)
        at = text.find("\n## ", start) + 1 or len(text)  # the end of this chapter
        text = text[:at] + block + ("\n" if at < len(text) else "") + text[at:]
    document.write_text(text, encoding="utf-8")
