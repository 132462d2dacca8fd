"""Health, metrics and the document of the API."""

import gevent
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from onepush_core.api import create_app, schemas
from onepush_core.health import Health
from onepush_core.metrics import Metrics
from tests.core.api_doubles import STATUS, RecordingGateway, client_of, send_body


def test_live_answers_without_probing():
    """Live asks nobody."""
    gateway = RecordingGateway()
    response = client_of(gateway).simulate_get("/health/live")
    assert (response.status_code, response.json) == (200, {"status": "live"})
    assert gateway.calls == []


def test_ready_tries_commit_and_dispatch():
    """Ready is proved by trying both."""
    gateway = RecordingGateway()
    response = client_of(gateway).simulate_get("/health/ready")
    assert response.status_code == 200
    assert response.json == {
        "status": "ready",
        "commit": "ok",
        "dispatch": "ok",
        "cluster": "ok",
        "plugins": {"ws": {"state": "active"}},
    }
    assert gateway.calls == [("probe_commit",), ("probe_dispatch",), ("probe_cluster",)]


@pytest.mark.parametrize(
    ("probe", "answer"),
    [
        (
            "probe_commit",
            {
                "status": "not ready",
                "commit": "failed",
                "dispatch": "ok",
                "cluster": "ok",
                "plugins": {"ws": {"state": "active"}},
            },
        ),
        (
            "probe_dispatch",
            {
                "status": "not ready",
                "commit": "ok",
                "dispatch": "failed",
                "cluster": "ok",
                "plugins": {"ws": {"state": "active"}},
            },
        ),
        (
            "probe_cluster",
            {
                "status": "not ready",
                "commit": "ok",
                "dispatch": "ok",
                "cluster": "failed",
                "plugins": {"ws": {"state": "active"}},
            },
        ),
    ],
)
def test_ready_names_failed_probe(probe, answer):
    """A probe that fails makes a 503 that names it, and recovers with it."""
    gateway = RecordingGateway()
    gateway.failures[probe] = RuntimeError("disk on fire")
    client = client_of(gateway)
    response = client.simulate_get("/health/ready")
    assert (response.status_code, response.json) == (503, answer)
    gateway.failures.clear()
    gateway.clock.jump(1)
    assert client.simulate_get("/health/ready").status_code == 200


def test_ready_shares_result_for_a_second():
    """Many callers make one attempt a second."""
    gateway = RecordingGateway()
    client = client_of(gateway)
    for _ in range(5):
        client.simulate_get("/health/ready")
    assert len(gateway.named("probe_commit")) == 1
    gateway.clock.jump(1)
    client.simulate_get("/health/ready")
    assert len(gateway.named("probe_commit")) == 2


def test_ready_shares_attempt_under_way():
    """Who asks while a probe runs waits for that one."""
    started, finish, runs = gevent.event.Event(), gevent.event.Event(), []

    def probe():
        runs.append(1)
        started.set()
        finish.wait(5)

    health = Health({"commit": probe}, monotonic=lambda: 0.0)
    callers = [gevent.spawn(health.check) for _ in range(3)]
    assert started.wait(5)
    finish.set()
    gevent.joinall(callers, timeout=5, raise_error=True)
    assert (len(runs), [caller.value.ready for caller in callers]) == (1, [True] * 3)


def samples(client):
    """What Prometheus would read, by name and labels."""
    response = client.simulate_get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(response.text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_count_requests_by_template():
    """Requests count by route template, never by path; all unknown paths share one label."""
    client = client_of(RecordingGateway())
    client.simulate_post("/msgpush/unregister/d-1")
    client.simulate_post("/msgpush/unregister/d-9")
    client.simulate_post("/msgpush/send", json=send_body())
    client.simulate_get("/secret-path")
    client.simulate_request("TRACE", "/msgpush/send")
    found = {
        key[1]: value for key, value in samples(client).items() if key[0] == "onepush_http_requests_total"
    }
    unregister = "/msgpush/unregister/{device_id}"
    assert found == {
        (("method", "POST"), ("route", unregister), ("status", "200")): 1,
        (("method", "POST"), ("route", unregister), ("status", "404")): 1,
        (("method", "POST"), ("route", "/msgpush/send"), ("status", "200")): 1,
        (("method", "other"), ("route", "unknown"), ("status", "404")): 1,
        (("method", "TRACE"), ("route", "/msgpush/send"), ("status", "405")): 1,
    }


def test_metrics_show_deliveries():
    """Outcomes by transport and reason, hand-over latency, confirms and the pending gauge are shown."""
    gateway = RecordingGateway()
    gateway.metrics.outcome("oppo", "failed", "rate limited", 3)
    gateway.metrics.handed("ws", 0.003)
    gateway.metrics.confirmed(2)
    gateway.metrics.pending.set(7)
    found = samples(client_of(gateway))
    labels = (("outcome", "failed"), ("reason", "rate_limited"), ("transport", "oppo"))
    assert found["onepush_outcomes_total", labels] == 3
    assert found["onepush_delivery_seconds_count", (("transport", "ws"),)] == 1
    assert found["onepush_confirmed_total", ()] == 2
    assert found["onepush_deliveries_pending", ()] == 7


def reasons(metrics):
    """The reasons seen as labels."""
    families = {family.name: family for family in metrics.registry.collect()}
    return {sample.labels["reason"] for sample in families["onepush_outcomes"].samples}


@pytest.mark.parametrize(
    "reason", ["13800138000", "x" * 41, "token é", "alice@example.org", "5d41402abc4b2a"]
)
def test_metrics_hide_data_in_reasons(reason):
    """A reason that looks like data becomes ``other``."""
    metrics = Metrics()
    metrics.outcome("sms", "failed", reason)
    assert reasons(metrics) == {"other"}


def test_metrics_bound_number_of_reasons():
    """A plugin that invents reasons without end does not fill the memory."""
    metrics = Metrics()
    for number in range(5000):
        metrics.outcome("sms", "failed", f"reason {number}")
    assert len(reasons(metrics)) == 65


def test_metrics_measure_hub_lag():
    """The lag is how much later than asked a sleep comes back."""
    metrics, now = Metrics(), [0.0]
    late = iter([0.0, 0.03, 0.0])

    def sleep(seconds):
        try:
            now[0] += seconds + next(late)
        except StopIteration:
            raise gevent.GreenletExit from None

    with pytest.raises(gevent.GreenletExit):
        metrics.watch_hub(sleep, lambda: now[0])
    value = metrics.registry.get_sample_value
    assert value("onepush_hub_lag_seconds_count") == 3
    assert value("onepush_hub_lag_seconds_sum") == pytest.approx(0.03)
    assert value("onepush_hub_lag_seconds_bucket", {"le": "0.025"}) == 2


def document():
    """The document as a client gets it."""
    return client_of(RecordingGateway()).simulate_get("/openapi.json").json


def test_openapi_describes_every_route():
    """Every core route stands in the document with exactly its methods, and no other does."""
    described = {path: set(item) for path, item in document()["paths"].items()}
    client = client_of(RecordingGateway())
    assert set(described) == set(create_app(RecordingGateway()).routes.paths())
    for path, methods in described.items():
        allowed = client.simulate_options(path.replace("{", "").replace("}", "")).headers["Allow"]
        assert methods == {method.lower() for method in allowed.split(", ")} - {"head", "options"}


def test_openapi_references_resolve():
    """Every reference leads to a schema of the document."""
    whole = document()
    text = msgspec.json.encode(whole).decode()
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(whole["components"]["schemas"])
    assert {"SendRequest", "ErrorBody", "Counts"} <= names


def test_openapi_requires_what_validation_requires():
    """The required fields of the document are those without which a send is refused."""
    required = document()["components"]["schemas"]["SendRequest"]["required"]
    client = client_of(RecordingGateway())
    for field in send_body():
        response = client.simulate_post("/msgpush/send", json=send_body(**{field: ...}))
        assert (response.status_code == 400) == (field in required)


def test_answer_types_fit_the_contract():
    """The contract's status object is one of the type the document shows."""
    assert msgspec.to_builtins(msgspec.convert(STATUS, schemas.MessageStatus)) == STATUS
