// Package wasmilltest tests a plugin without WebAssembly, by `go test`.
//
//	func TestSlowIsDropped(t *testing.T) {
//		plugin := wasmilltest.Start(t, `{"above": 1000}`)
//		answer := plugin.Slice(wasmill.Traces, 3).With("duration", 5, 5000, nil).Process()
//		if kept := answer.Kept(); !slices.Equal(kept, []int{0, 2}) {
//			t.Errorf("kept %v", kept)
//		}
//	}
//
// It does what the host does, through the same data block: columns that are not given have no values, and what the plugin
// answers is checked. The plugin is the one that this program exports. It fails the test where the test is wrong: a path that the
// plugin did not ask for, a number of values other than that of rows.
package wasmilltest

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"wasmill"
	"wasmill/internal/host"
	"wasmill/internal/wire"
)

// Plugin is a plugin under test.
type Plugin struct {
	t       testing.TB
	stage   wire.Stage
	needs   wire.Requirements
	lines   []Line
	metrics []Metric
	answers *answers
}

// Line is a line that the plugin logged.
type Line struct {
	Level   wasmill.Level
	Message string
}

// Metric is what the plugin counted, set or observed in one call of a host function.
type Metric struct {
	// counter, gauge or histogram.
	Kind, Name string
	Labels     []wasmill.Label
	Value      float64
}

// Start starts the plugin with a config in JSON.
func Start(t testing.TB, config string) *Plugin {
	t.Helper()
	plugin, err := start(t, config)
	if err != nil {
		t.Fatalf("the plugin refused its config: %v", err)
	}
	return plugin
}

// Refused gives what the operator would read of a config that the plugin refuses.
func Refused(t testing.TB, config string) string {
	t.Helper()
	if _, err := start(t, config); err != nil {
		return err.Error()
	}
	t.Fatalf("the plugin did not refuse the config %s", config)
	return ""
}

func start(t testing.TB, config string) (*Plugin, error) {
	t.Helper()
	if wire.Start == nil {
		t.Fatal("this program has no plugin: call `wasmill.Export` in a function `init` of package main")
	}
	host.Take()
	// There are no tables and no state while the plugin is made.
	host.Tests = nil
	stage, err := wire.Start(config)
	if err != nil {
		return nil, err
	}
	plugin := &Plugin{t: t, stage: stage, needs: stage.Requirements()}
	plugin.answers = &answers{map[string]Table{}, map[string][]byte{}, map[string]int64{}}
	return plugin, nil
}

// Signals gives the signals that the plugin can be used on.
func (p *Plugin) Signals() []wasmill.Signal {
	var signals []wasmill.Signal
	for _, input := range p.needs.Inputs {
		signals = append(signals, wasmill.Signal(input.Signal))
	}
	return signals
}

// Paths gives the paths that it asked for of a signal, in order.
func (p *Plugin) Paths(signal wasmill.Signal) []string {
	var paths []string
	for _, request := range p.requests(signal) {
		paths = append(paths, request.Path)
	}
	return paths
}

// Uses gives what it says that it does.
func (p *Plugin) Uses() []string { return p.needs.Uses }

func (p *Plugin) requests(signal wasmill.Signal) []wire.Request {
	for _, input := range p.needs.Inputs {
		if input.Signal == wire.Signal(signal) {
			return input.Columns
		}
	}
	p.t.Helper()
	p.t.Fatalf("the plugin cannot be used on %s", signal)
	return nil
}

// Logged gives what the plugin logged since it was started.
func (p *Plugin) Logged() []Line {
	p.take()
	return p.lines
}

// Metrics gives what it measured since it was started, call by call.
func (p *Plugin) Metrics() []Metric {
	p.take()
	return p.metrics
}

// Counter gives the sum of a counter since the plugin was started, over all labels.
func (p *Plugin) Counter(name string) float64 {
	var sum float64
	for _, metric := range p.Metrics() {
		if metric.Kind == "counter" && metric.Name == name {
			sum += metric.Value
		}
	}
	return sum
}

func (p *Plugin) take() {
	lines, metrics := host.Take()
	for _, line := range lines {
		p.lines = append(p.lines, Line{wasmill.Level(line.Level), line.Message})
	}
	for _, metric := range metrics {
		taken := Metric{Kind: metric.Kind, Name: metric.Name, Value: metric.Value}
		for _, label := range metric.Labels {
			taken.Labels = append(taken.Labels, wasmill.Label{Name: label[0], Value: label[1]})
		}
		p.metrics = append(p.metrics, taken)
	}
}

// Slice is a slice in the making.
type Slice struct {
	plugin  *Plugin
	signal  wasmill.Signal
	rows    int
	groups  []uint32
	columns map[string][]any
}

// Slice begins a slice of so many rows.
func (p *Plugin) Slice(signal wasmill.Signal, rows int) *Slice {
	return &Slice{plugin: p, signal: signal, rows: rows, columns: map[string][]any{}}
}

// Groups makes groups of the rows: so many in each, in order. Call it before With gives columns `group.…` a value for each group.
func (s *Slice) Groups(rows ...int) *Slice {
	s.plugin.t.Helper()
	s.groups = []uint32{0}
	for _, count := range rows {
		s.groups = append(s.groups, s.groups[len(s.groups)-1]+uint32(count))
	}
	if end := s.groups[len(s.groups)-1]; int(end) != s.rows {
		s.plugin.t.Fatalf("groups of %d rows together, the slice has %d", end, s.rows)
	}
	return s
}

// values is how many values a column has.
func (s *Slice) values(path string) int {
	if strings.HasPrefix(path, "group.") {
		return max(len(s.groups)-1, 0)
	}
	return s.rows
}

// With gives a column its values, one for each row: nil for none, string, bool, int and the other integers, float64, []byte, an id as
// [8]byte or [16]byte, Map for a whole map, List for a sequence. A value of another type than the column's is none, as an attribute of
// another type is.
func (s *Slice) With(path string, values ...any) *Slice {
	t := s.plugin.t
	t.Helper()
	if count := s.values(path); len(values) != count {
		t.Fatalf("`%s`: %d values for %d rows or groups", path, len(values), count)
	}
	if paths := s.plugin.Paths(s.signal); !slices.Contains(paths, path) {
		t.Fatalf("the plugin asked for %q of %s, not for `%s`", paths, s.signal, path)
	}
	s.columns[path] = values
	return s
}

// Process shows the slice to the plugin.
func (s *Slice) Process() *Answer {
	s.plugin.t.Helper()
	answer, err := s.Try()
	if err != nil {
		s.plugin.t.Fatalf("the plugin refused the slice: %v", err)
	}
	return answer
}

// Try shows the slice to the plugin, which may refuse it.
func (s *Slice) Try() (*Answer, error) {
	t := s.plugin.t
	t.Helper()
	var columns []wasmill.Data
	for _, request := range s.plugin.requests(s.signal) {
		values := s.columns[request.Path]
		if values == nil {
			values = make([]any, s.values(request.Path))
		}
		columns = append(columns, columnOf(request, values))
	}
	block, err := wasmill.EncodeBlock(columns...)
	if err != nil {
		t.Fatal(err)
	}
	var groups []byte
	for _, start := range s.groups {
		groups = binary.LittleEndian.AppendUint32(groups, start)
	}
	host.Tests = s.plugin.answers
	verdict, err := s.plugin.stage.Process(wire.Slice{
		Signal:  wire.Signal(s.signal),
		Rows:    uint32(s.rows),
		Groups:  groups,
		Columns: block,
	})
	if err != nil {
		return nil, err
	}
	return answerOf(t, s.plugin.needs, s.rows, s.groups, verdict), nil
}
