#!/usr/bin/python3
"""/metrics of coordinator, learner and relay, compared with what the API tells; and, where it is installed, as the real
Prometheus reads it."""
import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from cohort_e2e import TIMEOUT, Service, classes_experiment, free_port, main, to_yaml
from metrics_page import samples, scrape


def train(world):
    coordinator = world.coordinator("read_data=true", "metrics=127.0.0.1:0")
    learners = [world.learner(coordinator, f"learner-{i}", "metrics=127.0.0.1:0") for i in range(2)]
    users = world.stub(coordinator)
    experiment = classes_experiment(world.folder, collaboration={"learners": 2})
    experiment_id = users.CreateExperiment(yaml=to_yaml(experiment)).experiment.id
    list(users.WatchExperiment(experiment_id=experiment_id))
    return coordinator, learners, users.GetExperiment(experiment_id=experiment_id).experiment


def it_tells_what_the_api_tells(world):
    coordinator, learners, experiment = train(world)
    text = scrape(coordinator)
    got, name = samples(text), experiment.id
    assert got["cohort_experiment_round", name] == got["cohort_experiment_rounds_wanted", name] == 3
    assert got["cohort_experiment_state", name, "completed"] == 1
    assert got["cohort_experiment_state", name, "running"] == 0
    assert got["cohort_received_bytes_total", name] == experiment.bytes_up > 0
    assert got["cohort_sent_bytes_total", name] == experiment.bytes_down > 0
    assert got["cohort_summaries_accepted_total", name] == 6
    assert got["cohort_experiment_model_parameters", name] == experiment.model_parameters
    assert got["cohort_phase_seconds_count", name, "round"] == 3
    assert 0 < got["cohort_phase_seconds_sum", name, "train"] < got["cohort_phase_seconds_sum", name, "summary"]
    for metric in experiment.metrics:
        assert got["cohort_metric", name, metric.name] == metric.value, metric
    states = [value for key, value in got.items() if key[0] == "cohort_learners"]
    assert sum(states) == 2, text
    assert got["process_resident_memory_bytes",] > 1e6
    for i, learner in enumerate(learners):
        own = samples(scrape(learner))
        assert own["cohort_learner_joined", f"learner-{i}"] == 1
        assert own["cohort_learner_trained_round", f"learner-{i}"] <= 3
        assert own["process_resident_memory_bytes",] > 1e6
        assert own["cohort_learner_phase_seconds_count", f"learner-{i}", "train"] == 3
        assert own["cohort_learner_phase_seconds_sum", f"learner-{i}", "train"] > 0
        assert own["cohort_learner_sent_bytes_total", f"learner-{i}"] == experiment.bytes_up / 2
        assert own["cohort_learner_received_bytes_total",] >= experiment.model_parameters * 4 * 3
        assert own["cohort_learner_train_loss", f"learner-{i}"] > 0


def it_counts_rejected_summaries_by_reason(world):
    coordinator = world.coordinator("read_data=true", "metrics=127.0.0.1:0")
    users = world.stub(coordinator)
    world.learner(coordinator, "good")
    world.learner(coordinator, "odd")
    experiment = classes_experiment(
        world.folder,
        collaboration={"learners": 2, "max_norm": 1e-9, "participation": {"deadline": "1s", "minimum": 1}, "rounds": 1},
    )
    experiment_id = users.CreateExperiment(yaml=to_yaml(experiment)).experiment.id
    for event in users.WatchExperiment(experiment_id=experiment_id):
        if event.WhichOneof("event") == "summary_rejected":
            break
    got = samples(scrape(coordinator))
    assert got["cohort_summaries_rejected_total", experiment_id, "oversized_norm"] >= 1, got
    users.CancelExperiment(experiment_id=experiment_id)


def it_tells_of_a_relay_its_process(world):
    coordinator = world.coordinator()
    relay = world.coordinator(f"relay_of={coordinator.address}", "metrics=127.0.0.1:0")
    got = samples(scrape(relay))
    assert any(key[:2] == ("cohort_build_info", "cohort-relay") for key in got), got
    assert not any(key[0] == "cohort_learners" for key in got)


def it_refuses_an_address_that_it_cannot_have(world):
    taken = world.coordinator("metrics=127.0.0.1:0").wait_for_record("metrics")["port"]
    for address, word in (f"127.0.0.1:{taken}", "cannot listen"), ("nonsense", "host:port"):
        service = Service(
            world, "cohort-coordinator", 'listen=["127.0.0.1:0"]', f"metrics={address}", announced=False
        )
        assert service.process.wait(TIMEOUT) == 2, service.words()
        assert "metrics" in service.words() and word in service.words(), service.words()


MONITORING = pathlib.Path(__file__).resolve().parents[2] / "config/monitoring"
NAME = re.compile(r"\b(?:cohort|process)_[a-z_]+")


def families(text):
    kinds = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
    return {name + end for name, kind in kinds.items() for end in (("_sum", "_count") if kind == "summary" else ("",))}


def dashboard_expressions():
    board = json.loads((MONITORING / "dashboard.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def it_has_every_metric_that_alerts_and_dashboard_ask_for(world):
    coordinator, learners, _ = train(world)
    there = families(scrape(coordinator)) | families(scrape(learners[0]))
    rules = re.findall(r"^ +expr: (.*)$", (MONITORING / "alerts.yaml").read_text(), re.M)
    assert len(rules) > 5 and len(dashboard_expressions()) > 10
    for expression in (*rules, *dashboard_expressions()):
        asked = set(NAME.findall(re.sub(r'"[^"]*"', "", expression)))
        assert asked and asked <= there, (expression, asked - there)


def ask(address, path, **query):
    with urllib.request.urlopen(f"http://{address}/api/v1/{path}?" + urllib.parse.urlencode(query), timeout=10) as answer:
        return json.load(answer)["data"]


def rows(address, query):
    """What Prometheus answers; nothing while it does not serve yet."""
    try:
        return ask(address, "query", query=query)["result"]
    except (OSError, urllib.error.URLError):
        return []


@contextlib.contextmanager
def prometheus(world, targets):
    """The address of a Prometheus that scrapes them, with the example alerts as rules."""
    jobs = [{"job_name": "cohort", "scrape_interval": "200ms", "scrape_timeout": "200ms", "static_configs": [{"targets": targets}]}]
    config = world.folder / "prometheus.yml"
    config.write_text(
        json.dumps({"global": {"evaluation_interval": "200ms"}, "rule_files": [str(MONITORING / "alerts.yaml")], "scrape_configs": jobs})
    )
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={world.folder}/tsdb", f"--web.listen-address={address}"],
        stdout=subprocess.DEVNULL,
        stderr=(world.folder / "prometheus.txt").open("wb"),
        env=world.environment,
    )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def await_(what, test):
    until = time.monotonic() + TIMEOUT
    while not test():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def healths(address):
    return [rule["health"] for group in ask(address, "rules")["groups"] for rule in group["rules"]]


def it_is_scraped_by_prometheus(world):
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        print("# Debian's package prometheus is not installed: not tried")
        return
    coordinator, learners, experiment = train(world)
    for service in coordinator, *learners:
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=scrape(service), capture_output=True, text=True, timeout=TIMEOUT
        )
        assert checked.returncode == 0 and not checked.stderr, checked
    checked = subprocess.run(["promtool", "check", "rules", MONITORING / "alerts.yaml"], capture_output=True, text=True, timeout=TIMEOUT)
    assert checked.returncode == 0, checked
    targets = [f"127.0.0.1:{it.wait_for_record('metrics')['port']}" for it in (coordinator, *learners)]
    with prometheus(world, targets) as address:
        await_("nothing was scraped", lambda: len(rows(address, "cohort_build_info")) == 3)
        found = rows(address, "cohort_experiment_round")
        assert found[0]["metric"]["experiment"] == experiment.id and found[0]["value"][1] == "3", found
        for expression in dashboard_expressions():
            answer = ask(address, "query", query=expression.replace("$experiment", ".*"))
            rated = "rate(" in expression or "rejected" in expression  # which need a longer past, or a fault
            assert rated or answer["result"], expression
        await_("a rule does not evaluate", lambda: set(healths(address)) == {"ok"})
        learners[0].process.kill()  # a learner that is not scraped any more alerts nobody; a coordinator that is not does
        coordinator.process.kill()
        await_("no alert is pending", lambda: "CohortCoordinatorDown" in {it["labels"]["alertname"] for it in ask(address, "alerts")["alerts"]})


main(globals())
