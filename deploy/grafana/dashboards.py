"""The dashboards as code: `python3 dashboards.py` writes the files in dashboards/, `--check` only says whether they are these.

A dashboard is rows of panels; a panel is a title, what it shows in a sentence, its kind, and queries. Everything else, such as where it
stands, follows. Nothing but Python's standard library is needed.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent

PROMETHEUS = {"type": "prometheus", "uid": "wasmill-prometheus"}
LOKI = {"type": "loki", "uid": "wasmill-loki"}
JAEGER = {"type": "jaeger", "uid": "wasmill-jaeger"}

# The grid is so many columns wide.
WIDTH = 24
# Of a query that gives one line for each series: its place among the panel's queries.
REFS = "ABCDEFGH"


def prom(expr, legend="", instant=False, exemplars=False):
    return {
        "datasource": PROMETHEUS,
        "expr": expr,
        "legendFormat": legend or "__auto",
        "editorMode": "code",
        "range": not instant,
        "instant": instant,
        "exemplar": exemplars,
    }


def heat(expr):
    return prom(expr, "{{le}}") | {"format": "heatmap"}


def logql(expr, legend="", lines=100):
    query = {"datasource": LOKI, "expr": expr, "editorMode": "code", "queryType": "range"}
    return query | ({"legendFormat": legend} if legend else {"maxLines": lines})


def search(service, limit=20):
    """Traces of a service, the newest first."""
    return {"datasource": JAEGER, "queryType": "search", "service": service, "limit": limit}


def one_trace(trace_id):
    return {"datasource": JAEGER, "query": trace_id}


def panel(kind, title, what, targets, unit="short", width=8, height=8, **more):
    """`more` goes into the panel's options; `stack`, `max`, `steps` and `text` are for its fields."""
    custom, defaults = {}, {"unit": unit}
    if kind == "timeseries":
        custom = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
        if more.pop("stack", False):
            custom |= {"stacking": {"mode": "normal", "group": "A"}}
        options = {"legend": legend(), "tooltip": {"mode": "multi", "sort": "desc"}}
    elif kind == "stat":
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area",
            "textMode": "auto",
        }
    elif kind == "logs":
        options = {"showTime": True, "wrapLogMessage": True, "enableLogDetails": True, "sortOrder": "Descending", "dedupStrategy": "none"}
    elif kind == "heatmap":
        options = {"calculate": False, "yAxis": {"unit": unit}}
    else:
        options = {}
    if "max" in more:
        defaults |= {"min": 0, "max": more.pop("max")}
    if "steps" in more:
        steps = [{"color": color, "value": value} for value, color in more.pop("steps")]
        defaults |= {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
    if custom:
        defaults["custom"] = custom
    return {
        "type": kind,
        "title": title,
        "description": what,
        "datasource": targets[0]["datasource"],
        "targets": [{"refId": ref} | target for ref, target in zip(REFS, targets, strict=False)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options | more,
        "gridPos": {"w": width, "h": height, "x": 0, "y": 0},
    }


def legend():
    return {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}


def query_variable(name, label, source, query, sample):
    """All values, unless some are chosen. `sample` is what it is before somebody looks."""
    variable = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": source,
        "query": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
    return variable | ({"current": {"text": sample, "value": sample}, "multi": False, "includeAll": False} if sample else {})


def text_variable(name, label, value):
    return {
        "name": name,
        "label": label,
        "type": "textbox",
        "query": value,
        "current": {"text": value, "value": value},
    }


def placed(rows):
    """Numbers panels, and puts them side by side as long as there is room."""
    panels, y = [], 0
    for title, members in rows:
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        y, x, height = y + 1, 0, 0
        for member in members:
            position = member["gridPos"]
            if x + position["w"] > WIDTH:
                x, y, height = 0, y + height, 0
            position["x"], position["y"] = x, y
            x, height = x + position["w"], max(height, position["h"])
            panels.append(member)
        y += height
    return [{"id": number} | member for number, member in enumerate(panels, 1)]


def dashboard(uid, title, what, variables, rows, links=()):
    return {
        "uid": uid,
        "title": title,
        "description": what,
        "tags": ["wasmill"],
        "timezone": "browser",
        "editable": False,
        "graphTooltip": 1,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables},
        "annotations": {"list": []},
        "links": [
            {
                "title": name,
                "type": "link",
                "url": f"/d/{to}",
                "icon": "dashboard",
                "tooltip": "",
                "tags": [],
                "asDropdown": False,
                "targetBlank": False,
                "includeVars": False,
                "keepTime": True,
            }
            for name, to in links
        ],
        "panels": placed(rows),
    }


def of_signals(kind, prefix, by, matchers, window="$__rate_interval"):
    """A query for each signal, whose metrics are told apart by their names."""
    names = {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}
    shown = " ".join("{{" + label + "}}" for label in by)
    return [
        prom(f"sum by ({', '.join(by)}) ({kind}({prefix}_{items}_total{{{matchers}}}[{window}]))", f"{signal} {shown}")
        for signal, items in names.items()
    ]


def gateway():
    of = 'job="wasmill", instance=~"$instance"'

    def rate(name, by, more=""):
        return f"sum by ({by}) (rate({name}{{{of}{more}}}[$__rate_interval]))"

    red_above = [(None, "green"), (1, "red")]
    return dashboard(
        "wasmill-gateway",
        "Wasmill: the gateway",
        "What the gateway takes, refuses, holds and delivers, and what its plugins do.",
        [query_variable("instance", "Gateway", PROMETHEUS, 'label_values(up{job="wasmill"}, instance)', "")],
        [
            (
                "Now",
                [
                    panel("stat", "Gateways up", "Those that Prometheus can scrape.", [prom(f"sum(up{{{of}}})", "up")], width=4, height=4),
                    panel(
                        "stat",
                        "Alerts firing",
                        "Of the rules in deploy/prometheus/rules.yml.",
                        [prom('count(ALERTS{alertname=~"Wasmill.+", alertstate="firing"}) or vector(0)', "firing")],
                        width=4,
                        height=4,
                        steps=red_above,
                    ),
                    panel(
                        "stat",
                        "Rows taken a second",
                        "Spans, metric points and log records together.",
                        [prom(f"sum(wasmill:accepted_records:rate5m{{{of}}})", "taken")],
                        width=4,
                        height=4,
                    ),
                    panel(
                        "stat",
                        "Rows lost, 5 minutes",
                        "Given up, with nobody left to send them again.",
                        [prom(f"sum(wasmill:lost_records:increase5m{{{of}}})", "lost")],
                        width=4,
                        height=4,
                        steps=red_above,
                    ),
                    panel(
                        "stat",
                        "Fullest queue",
                        "Of all exporters and signals.",
                        [prom(f"max(otelcol_exporter_queue_size{{{of}}} / otelcol_exporter_queue_capacity{{{of}}})", "full")],
                        unit="percentunit",
                        width=4,
                        height=4,
                        steps=[(None, "green"), (0.75, "orange"), (0.95, "red")],
                    ),
                    panel(
                        "stat",
                        "Uptime",
                        "Of the gateway that was started last.",
                        [prom(f"min(otelcol_process_uptime_seconds_total{{{of}}})", "uptime")],
                        unit="s",
                        width=4,
                        height=4,
                    ),
                ],
            ),
            (
                "Intake",
                [
                    panel(
                        "timeseries",
                        "Rows taken",
                        "By signal, receiver and transport.",
                        of_signals("rate", "otelcol_receiver_accepted", ["receiver", "transport"], of),
                        unit="rowsps",
                        stack=True,
                    ),
                    panel(
                        "timeseries",
                        "Rows refused",
                        "Clients were told so, most of them to send again.",
                        of_signals("rate", "otelcol_receiver_refused", ["receiver", "transport"], of),
                        unit="rowsps",
                    ),
                    panel(
                        "timeseries",
                        "Requests refused unread",
                        "Over a limit, or not what they say; and log records whose ids had to be cleared.",
                        [
                            prom(rate("wasmill_receiver_refused_requests_total", "receiver, transport"), "{{receiver}} {{transport}}"),
                            prom(rate("wasmill_receiver_cleared_ids_total", "receiver"), "{{receiver}} cleared ids"),
                        ],
                        unit="reqps",
                    ),
                ],
            ),
            (
                "Exporters and their queues",
                [
                    panel(
                        "timeseries",
                        "Rows delivered",
                        "By exporter and signal.",
                        of_signals("rate", "otelcol_exporter_sent", ["exporter"], of),
                        unit="rowsps",
                    ),
                    panel(
                        "timeseries",
                        "Attempts that failed",
                        "Requests that a backend did not take. They are tried again, unless they are given up.",
                        [prom(rate("wasmill_exporter_failed_attempts_total", "exporter"), "{{exporter}}")],
                        unit="reqps",
                    ),
                    panel(
                        "timeseries",
                        "Rows given up",
                        "Refused for good, or too old to be tried again.",
                        of_signals("rate", "otelcol_exporter_send_failed", ["exporter"], of),
                        unit="rowsps",
                    ),
                    panel(
                        "timeseries",
                        "Queues",
                        "How full each is; at 100 % nothing more gets in.",
                        [
                            prom(
                                f"otelcol_exporter_queue_size{{{of}}} / otelcol_exporter_queue_capacity{{{of}}}",
                                "{{exporter}} {{data_type}} {{instance}}",
                            )
                        ],
                        unit="percentunit",
                        max=1,
                    ),
                    panel(
                        "timeseries",
                        "Rows that found the queue full",
                        "Refused to clients, or dropped under on_full: drop_newest.",
                        of_signals("rate", "otelcol_exporter_enqueue_failed", ["exporter"], of),
                        unit="rowsps",
                    ),
                    panel(
                        "timeseries",
                        "What queues keep",
                        "In memory, and on disk.",
                        [
                            prom(f"sum by (exporter) (wasmill_exporter_queue_retained_bytes{{{of}}})", "{{exporter}} memory"),
                            prom(f"sum by (exporter) (wasmill_exporter_queue_disk_bytes{{{of}}})", "{{exporter}} disk"),
                        ],
                        unit="bytes",
                    ),
                ],
            ),
            (
                "Plugins",
                [
                    panel(
                        "timeseries",
                        "Rows kept and dropped",
                        "What plugins decided, on_fault included.",
                        [
                            prom(rate("wasmill_plugin_rows_kept_total", "plugin"), "{{plugin}} kept"),
                            prom(rate("wasmill_plugin_rows_dropped_total", "plugin"), "{{plugin}} dropped"),
                            prom(rate("wasmill_plugin_rows_diverted_total", "plugin"), "{{plugin}} diverted"),
                        ],
                        unit="rowsps",
                    ),
                    panel(
                        "timeseries",
                        "Faults by kind",
                        "Calls that failed.",
                        [prom(rate("wasmill_plugin_faults_total", "plugin, kind"), "{{plugin}} {{kind}}")],
                        unit="cps",
                    ),
                    panel(
                        "timeseries",
                        "A call",
                        "Of process: the median, and what one in a hundred takes.",
                        [
                            prom(
                                f"histogram_quantile({share}, {rate('wasmill_plugin_call_duration_seconds_bucket', 'plugin, le')})",
                                "{{plugin}} " + name,
                            )
                            for share, name in [("0.5", "p50"), ("0.99", "p99")]
                        ],
                        unit="s",
                    ),
                    panel(
                        "timeseries",
                        "Time for a row",
                        "In calls, the host's part of them included.",
                        [
                            prom(
                                f"{rate('wasmill_plugin_call_duration_seconds_sum', 'plugin')} / {rate('wasmill_plugin_rows_in_total', 'plugin')}",
                                "{{plugin}}",
                            )
                        ],
                        unit="s",
                    ),
                    panel(
                        "timeseries",
                        "Breakers",
                        "0 closed, 1 half open, 2 open: the plugin is left alone.",
                        [prom(f"wasmill_plugin_breaker_state{{{of}}}", "{{plugin}} {{instance}}")],
                        max=2,
                    ),
                    panel(
                        "timeseries",
                        "Memory and instances",
                        "Linear memory of all instances.",
                        [prom(f"sum by (plugin) (wasmill_plugin_memory_bytes{{{of}}})", "{{plugin}}")],
                        unit="bytes",
                    ),
                    panel(
                        "timeseries",
                        "Generations",
                        "That brought the plugins which serve: a step is a swap.",
                        [prom(f"wasmill_plugin_generation{{{of}}}", "{{plugin}} {{instance}}")],
                    ),
                    panel(
                        "timeseries",
                        "Swaps and reloads",
                        "In the last quarter of an hour, by how they ended.",
                        [
                            prom(f"sum by (plugin, result) (increase(wasmill_plugin_swap_total{{{of}}}[15m]))", "{{plugin}} {{result}}"),
                            prom(f"sum by (result) (increase(wasmill_config_reloads_total{{{of}}}[15m]))", "configuration {{result}}"),
                        ],
                    ),
                    panel(
                        "timeseries",
                        "Instances",
                        "Living, of each plugin.",
                        [prom(f"sum by (plugin) (wasmill_plugin_instances{{{of}}})", "{{plugin}}")],
                    ),
                ],
            ),
            (
                "Process",
                [
                    panel(
                        "timeseries",
                        "Memory",
                        "Resident, and what of it rows keep that wait.",
                        [
                            prom(f"otelcol_process_memory_rss_bytes{{{of}}}", "resident {{instance}}"),
                            prom(f"wasmill_retained_bytes{{{of}}}", "rows {{instance}}"),
                        ],
                        unit="bytes",
                        width=12,
                    ),
                    panel(
                        "timeseries",
                        "Processors",
                        "How many it keeps busy.",
                        [prom(rate("otelcol_process_cpu_seconds_total", "instance"), "{{instance}}")],
                        width=12,
                    ),
                ],
            ),
        ],
        [("Services", "wasmill-services"), ("Logs beside traces", "wasmill-logs")],
    )


def services():
    server = "http_server_request_duration_seconds"
    of = 'job=~"$service", http_route=~"$route"'
    every = f"sum by (job, http_route) (rate({server}_count{{{of}}}[$__rate_interval]))"
    failed = f'sum by (job, http_route) (rate({server}_count{{{of}, http_response_status_code=~"5.."}}[$__rate_interval]))'

    def quantile(share, by):
        return f"histogram_quantile({share}, sum by (le, {by}) (rate({server}_bucket{{{of}}}[$__rate_interval])))"

    return dashboard(
        "wasmill-services",
        "Wasmill: services",
        "Rate, errors and duration of each service's routes, from the metrics that OpenTelemetry's SDKs make of HTTP requests.",
        [
            query_variable("service", "Service", PROMETHEUS, f"label_values({server}_count, job)", ""),
            query_variable("route", "Route", PROMETHEUS, f'label_values({server}_count{{job=~"$service"}}, http_route)', ""),
        ],
        [
            (
                "Rate, errors, duration",
                [
                    panel("timeseries", "Requests a second", "By service and route.", [prom(every, "{{job}} {{http_route}}")], unit="reqps"),
                    panel(
                        "timeseries",
                        "Errors",
                        "The part of requests that was answered by 5xx.",
                        [prom(f"({failed} or 0 * {every}) / {every}", "{{job}} {{http_route}}")],
                        unit="percentunit",
                        max=1,
                    ),
                    panel(
                        "timeseries",
                        "Duration",
                        "One in twenty requests takes longer. Points are requests whose traces are known: click one.",
                        [prom(quantile("0.95", "job, http_route"), "{{job}} {{http_route}}", exemplars=True)],
                        unit="s",
                    ),
                ],
            ),
            (
                "Whole services",
                [
                    panel(
                        "timeseries",
                        "Percentiles",
                        "Of all routes of a service.",
                        [prom(quantile(share, "job"), "{{job}} " + name) for share, name in [("0.5", "p50"), ("0.9", "p90"), ("0.99", "p99")]],
                        unit="s",
                    ),
                    panel(
                        "heatmap",
                        "Requests by duration",
                        "How many took how long.",
                        [heat(f"sum by (le) (increase({server}_bucket{{{of}}}[$__rate_interval]))")],
                        unit="s",
                    ),
                    panel(
                        "timeseries",
                        "Answers by status",
                        "Of all routes.",
                        [
                            prom(
                                f"sum by (job, http_response_status_code) (rate({server}_count{{{of}}}[$__rate_interval]))",
                                "{{job}} {{http_response_status_code}}",
                            )
                        ],
                        unit="reqps",
                        stack=True,
                    ),
                    panel(
                        "timeseries",
                        "Requests to others",
                        "That services make themselves: what one in twenty takes.",
                        [
                            prom(
                                'histogram_quantile(0.95, sum by (le, job, server_address) (rate(http_client_request_duration_seconds_bucket{job=~"$service"}'
                                "[$__rate_interval])))",
                                "{{job}} to {{server_address}}",
                            )
                        ],
                        unit="s",
                    ),
                    panel(
                        "timeseries",
                        "Orders",
                        "A counter of the example's own, by OpenTelemetry through the gateway.",
                        [prom("sum by (job, sold) (rate(shop_orders_total[$__rate_interval]))", "{{job}} sold: {{sold}}")],
                        unit="ops",
                    ),
                    panel(
                        "timeseries",
                        "Stock asked for",
                        "Another, of a Prometheus client that is scraped beside the gateway.",
                        [prom("sum by (job, item) (rate(inventory_lookups_total[$__rate_interval]))", "{{item}}")],
                        unit="ops",
                    ),
                ],
            ),
        ],
        [("The gateway", "wasmill-gateway"), ("Logs beside traces", "wasmill-logs")],
    )


def logs():
    of = '{job=~"$service"}'
    return dashboard(
        "wasmill-logs",
        "Wasmill: logs beside traces",
        "What services logged, their traces, and both of one trace: put its id into the box, or click it in a line.",
        [
            query_variable("service", "Service", LOKI, "label_values(job)", ""),
            query_variable("traced", "Traces of", PROMETHEUS, "label_values(http_server_request_duration_seconds_count, job)", "shop"),
            text_variable("trace_id", "Trace id", ""),
            text_variable("text", "Lines with", ""),
        ],
        [
            (
                "All",
                [
                    panel(
                        "timeseries",
                        "Lines a second, by level",
                        "As Loki counts them.",
                        [logql(f"sum by (level) (rate({of} [$__auto]))", "{{level}}")],
                        unit="cps",
                        width=24,
                        height=5,
                        stack=True,
                    ),
                    panel("logs", "Lines", "The newest first.", [logql(f"{of} |= `$text`")], width=12, height=14),
                    panel("table", "Traces", "A click shows one.", [search("$traced")], width=12, height=14),
                ],
            ),
            (
                "One trace",
                [
                    panel("logs", "What was logged in it", "By all services.", [logql('{job=~".+"} | trace_id = `$trace_id`')], width=12, height=14),
                    panel("traces", "The trace", "As Jaeger has it.", [one_trace("$trace_id")], width=12, height=14),
                ],
            ),
        ],
        [("The gateway", "wasmill-gateway"), ("Services", "wasmill-services")],
    )


def main(arguments):
    differ = []
    for made in (gateway(), services(), logs()):
        path = HERE / "dashboards" / f"{made['uid']}.json"
        text = json.dumps(made, indent=2) + "\n"
        if arguments == ["--check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                differ.append(path.name)
        else:
            path.write_text(text, encoding="utf-8")
    if differ:
        sys.exit(f"not what dashboards.py writes: {', '.join(differ)}; run it")


if __name__ == "__main__":
    main(sys.argv[1:])
