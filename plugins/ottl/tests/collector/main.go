// Runs conditions and statements on telemetry with the Collector's own library, for src/tests/collector.rs to compare
// with. Jobs come one to a line of standard input, in JSON, and answers leave so.
//
//	go build -o /tmp/collector-ottl . && COLLECTOR_OTTL=/tmp/collector-ottl cargo test -p wasmill-ottl collector
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"os"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottldatapoint"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottllog"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
)

// Longer than any job: the requests are of a few records.
const lineMax = 1 << 22

type job struct {
	Signal     string   `json:"signal"`
	Conditions []string `json:"conditions"`
	Statements []string `json:"statements"`
	// An OTLP request, in hexadecimal digits.
	Data string `json:"data"`
}

type answer struct {
	// Why the texts were refused.
	Error string `json:"error"`
	// A letter for each record and text, record by record: T, F, or E for an error.
	Outcomes string `json:"outcomes"`
	// The request after the statements, in hexadecimal digits.
	Data string `json:"data"`
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (j job) request() []byte {
	data, err := hex.DecodeString(j.Data)
	must(err)
	return data
}

// program is what a job's texts became.
type program[K any] struct {
	conditions []*ottl.Condition[K]
	statements []*ottl.Statement[K]
	outcomes   []byte
}

func parse[K any](parser ottl.Parser[K], j job) (*program[K], error) {
	conditions, err := parser.ParseConditions(j.Conditions)
	if err != nil {
		return nil, err
	}
	statements, err := parser.ParseStatements(j.Statements)
	if err != nil {
		return nil, err
	}
	return &program[K]{conditions: conditions, statements: statements}, nil
}

func (p *program[K]) run(record K) {
	note := func(matched bool, err error) {
		switch {
		case err != nil:
			p.outcomes = append(p.outcomes, 'E')
		case matched:
			p.outcomes = append(p.outcomes, 'T')
		default:
			p.outcomes = append(p.outcomes, 'F')
		}
	}
	for _, condition := range p.conditions {
		note(condition.Eval(context.Background(), record))
	}
	for _, statement := range p.statements {
		_, matched, err := statement.Execute(context.Background(), record)
		note(matched, err)
	}
}

func traces(j job) (answer, error) {
	data, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(j.request())
	must(err)
	functions := ottlfuncs.StandardFuncs[*ottlspan.TransformContext]()
	root := ottlfuncs.NewIsRootSpanFactory()
	functions[root.Name()] = root
	parser, err := ottlspan.NewParser(functions, componenttest.NewNopTelemetrySettings())
	must(err)
	p, err := parse(parser, j)
	if err != nil {
		return answer{}, err
	}
	for _, resource := range data.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				p.run(ottlspan.NewTransformContext(resource, scope, span))
			}
		}
	}
	out, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(data)
	must(err)
	return answer{Outcomes: string(p.outcomes), Data: hex.EncodeToString(out)}, nil
}

func logs(j job) (answer, error) {
	data, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(j.request())
	must(err)
	parser, err := ottllog.NewParser(ottlfuncs.StandardFuncs[*ottllog.TransformContext](), componenttest.NewNopTelemetrySettings())
	must(err)
	p, err := parse(parser, j)
	if err != nil {
		return answer{}, err
	}
	for _, resource := range data.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				p.run(ottllog.NewTransformContext(resource, scope, record))
			}
		}
	}
	out, err := (&plog.ProtoMarshaler{}).MarshalLogs(data)
	must(err)
	return answer{Outcomes: string(p.outcomes), Data: hex.EncodeToString(out)}, nil
}

func metrics(j job) (answer, error) {
	data, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(j.request())
	must(err)
	parser, err := ottldatapoint.NewParser(ottlfuncs.StandardFuncs[*ottldatapoint.TransformContext](), componenttest.NewNopTelemetrySettings())
	must(err)
	p, err := parse(parser, j)
	if err != nil {
		return answer{}, err
	}
	for _, resource := range data.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				run := func(point any) {
					p.run(ottldatapoint.NewTransformContext(resource, scope, metric, point))
				}
				points(metric, run)
			}
		}
	}
	out, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(data)
	must(err)
	return answer{Outcomes: string(p.outcomes), Data: hex.EncodeToString(out)}, nil
}

func points(metric pmetric.Metric, run func(any)) {
	switch metric.Type() {
	case pmetric.MetricTypeGauge:
		for _, point := range metric.Gauge().DataPoints().All() {
			run(point)
		}
	case pmetric.MetricTypeSum:
		for _, point := range metric.Sum().DataPoints().All() {
			run(point)
		}
	case pmetric.MetricTypeHistogram:
		for _, point := range metric.Histogram().DataPoints().All() {
			run(point)
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, point := range metric.ExponentialHistogram().DataPoints().All() {
			run(point)
		}
	case pmetric.MetricTypeSummary:
		for _, point := range metric.Summary().DataPoints().All() {
			run(point)
		}
	}
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, lineMax)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for in.Scan() {
		var j job
		must(json.Unmarshal(in.Bytes(), &j))
		var a answer
		var err error
		switch j.Signal {
		case "traces":
			a, err = traces(j)
		case "logs":
			a, err = logs(j)
		case "metrics":
			a, err = metrics(j)
		}
		if err != nil {
			a.Error = err.Error()
		}
		must(encoder.Encode(a))
	}
	must(in.Err())
	must(out.Flush())
}
