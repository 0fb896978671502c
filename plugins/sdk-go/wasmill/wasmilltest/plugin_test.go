package wasmilltest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"wasmill"
)

// mirror sets at the path `new.…` what it was shown at each path.
type mirror struct {
	flag     wasmill.Column[wasmill.Boolean]
	duration wasmill.Column[wasmill.Values[int64]]
	flags    wasmill.Column[wasmill.Values[uint32]]
	span     wasmill.Column[wasmill.Values[[8]byte]]
	name     wasmill.Column[wasmill.Text]
	body     wasmill.Column[wasmill.Any]
	maps     wasmill.Column[wasmill.Attributes]
	events   wasmill.Column[wasmill.Sequence]
}

func init() {
	wasmill.Export(func(_ struct{}, needs *wasmill.Requirements) (wasmill.Plugin, error) {
		needs.Signals(wasmill.Logs)
		return &mirror{
			flag:     needs.Boolean("flag"),
			duration: needs.Int64("duration"),
			flags:    needs.Uint32("flags"),
			span:     needs.ID8("span_id"),
			name:     needs.Text("name"),
			body:     needs.Any("body"),
			maps:     needs.Attributes("attributes"),
			events:   needs.Sequence("spanevent.name", wasmill.KindText),
		}, nil
	})
}

func (m *mirror) Process(slice *wasmill.Slice, verdict *wasmill.Verdict) error {
	if text, _ := slice.Text(m.name).At(0); text == "refuse" {
		return errors.New("refused")
	}
	flag := slice.Boolean(m.flag)
	verdict.Set("new.flag", wasmill.AllRows, wasmill.Booleans{True: flag.True(), Valid: flag.Validity.Bitmap()})
	duration := slice.Int64(m.duration)
	verdict.Set("new.duration", wasmill.AllRows, wasmill.Numbers[int64]{Values: duration.Raw(), Valid: duration.Validity.Bitmap()})
	verdict.Set("new.flags", wasmill.AllRows, wasmill.NumbersOf(slice.Uint32(m.flags).Raw()...))
	verdict.Set("new.span_id", wasmill.AllRows, wasmill.NumbersOf(slice.ID8(m.span).Raw()...))
	var bodies wasmill.AnyBuilder
	var maps wasmill.AttributesBuilder
	for row := range slice.Rows() {
		bodies.Append(slice.Any(m.body).At(row))
		for key, value := range slice.Attributes(m.maps).Entries(row) {
			maps.Entry(key, value)
		}
		maps.EndRow()
	}
	verdict.Set("new.body", wasmill.AllRows, &bodies)
	verdict.Merge("new.attributes", wasmill.AllRows, &maps)
	events := slice.Sequence(m.events)
	from, to := events.Places(1)
	for place := from; place < to; place++ {
		name, _ := events.Values().Text().At(place)
		wasmill.Log(wasmill.Info, "event %s", name)
	}
	now, err := wasmill.Clock()
	if err != nil || time.Since(now) > time.Hour {
		return errors.New("no clock")
	}
	wasmill.Gauge("rows", float64(slice.Rows()), wasmill.Label{Name: "signal", Value: slice.Signal().String()})
	return nil
}

// What a test gives reaches the plugin as it is, and comes back as it was, whatever its kind.
func TestCellsReachThePluginAndComeBack(t *testing.T) {
	plugin := Start(t, `{}`)
	m := Map{{"k", "v"}, {"k", int64(2)}}
	answer := plugin.Slice(wasmill.Logs, 2).
		With("flag", true, nil).With("duration", nil, 5).With("flags", 7, 8).With("span_id", [8]byte{1}, [8]byte{2}).
		With("body", "text", 1.5).With("attributes", Map{}, m).With("spanevent.name", List{"a"}, List{"b", "c"}).
		Process()
	for path, want := range map[string]map[int]any{
		"new.flag":       {0: true, 1: nil},
		"new.duration":   {0: nil, 1: int64(5)},
		"new.flags":      {0: uint32(7), 1: uint32(8)},
		"new.span_id":    {0: [8]byte{1}, 1: [8]byte{2}},
		"new.body":       {0: "text", 1: 1.5},
		"new.attributes": {0: Map{}, 1: m},
	} {
		if got := answer.Edited(path); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	lines := []Line{{wasmill.Info, "event b"}, {wasmill.Info, "event c"}}
	if got := plugin.Logged(); !reflect.DeepEqual(got, lines) {
		t.Errorf("logged %v", got)
	}
	metrics := []Metric{{"gauge", "rows", []wasmill.Label{{Name: "signal", Value: "logs"}}, 2}}
	if got := plugin.Metrics(); !reflect.DeepEqual(got, metrics) {
		t.Errorf("measured %v", got)
	}
}

// Columns that are not given have no values, and sequences no places.
func TestColumnsThatAreNotGivenAreEmpty(t *testing.T) {
	plugin := Start(t, `{}`)
	answer := plugin.Slice(wasmill.Logs, 2).Process()
	want := map[int]any{0: nil, 1: nil}
	for _, path := range []string{"new.flag", "new.duration", "new.body"} {
		if got := answer.Edited(path); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v", path, got)
		}
	}
	if logged := plugin.Logged(); len(logged) != 0 {
		t.Errorf("logged %v", logged)
	}
}

func TestARefusalIsGiven(t *testing.T) {
	plugin := Start(t, `{}`)
	if _, err := plugin.Slice(wasmill.Logs, 1).With("name", "refuse").Try(); err == nil || err.Error() != "refused" {
		t.Errorf("got %v", err)
	}
	if got := Refused(t, `{"a": 1}`); got != "unknown key `a`; known are none" {
		t.Errorf("got %s", got)
	}
}
