package wasmill

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"wasmill/internal/wire"
)

// grouped gives what a plugin answers about six rows in three groups: 0 and 1, 2, 3 to 5.
func grouped(t *testing.T, act acting) *wire.Verdict {
	t.Helper()
	stage := start(t, func(needs *Requirements) Plugin {
		needs.Signals(Traces)
		return act
	})
	groups := bytesOf([]uint32{0, 2, 3, 6})
	verdict, err := stage.Process(wire.Slice{Signal: wire.Signal(Traces), Rows: 6, Groups: groups})
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

func these(rows int, set ...int) *Bitmap {
	return BitmapOf(rows, func(row int) bool { return slices.Contains(set, row) })
}

func TestGroupsAreRowsThatBelongTogether(t *testing.T) {
	grouped(t, func(slice *Slice, _ *Verdict) error {
		groups := slice.Groups()
		var ranges []Range
		for _, rows := range groups.All() {
			ranges = append(ranges, rows)
		}
		if !slices.Equal(ranges, []Range{{0, 2}, {2, 3}, {3, 6}}) {
			t.Errorf("got %v", ranges)
		}
		if any := groups.Any(these(6, 1, 4, 5)); !slices.Equal(slices.Collect(any.All()), []int{0, 2}) {
			t.Errorf("any: %v", slices.Collect(any.All()))
		}
		if rows := groups.Expand(these(3, 0, 1)); !slices.Equal(slices.Collect(rows.All()), []int{0, 1, 2}) {
			t.Errorf("rows: %v", slices.Collect(rows.All()))
		}
		return nil
	})
	verdictOf(t, 3, func(slice *Slice, verdict *Verdict) error {
		if slice.Groups().Len() != 0 || slice.Groups().Any(these(3, 1)).Len() != 0 {
			t.Error("groups where there are none")
		}
		verdict.KeepGroups(NewBitmap(0))
		return nil
	})
}

// Whole groups cross as such; where rows were decided about as well, all of it crosses as rows.
func TestGroupsAreKeptAndRouted(t *testing.T) {
	for name, c := range map[string]struct {
		act  acting
		want wire.Verdict
	}{
		"keep": {
			func(_ *Slice, v *Verdict) error {
				v.KeepGroups(these(3, 0, 2))
				v.KeepGroups(these(3, 1, 2))
				return nil
			},
			wire.Verdict{Keep: wire.KeepGroups, Kept: []byte{4}},
		},
		"drop":      {func(_ *Slice, v *Verdict) error { v.DropGroups(these(3, 1)); return nil }, wire.Verdict{Keep: wire.KeepGroups, Kept: []byte{5}}},
		"drop none": {func(_ *Slice, v *Verdict) error { v.DropGroups(these(3)); return nil }, wire.Verdict{}},
		"keep none": {func(_ *Slice, v *Verdict) error { v.KeepGroups(these(3)); return nil }, wire.Verdict{Keep: wire.KeepNone}},
		"and rows": {
			func(_ *Slice, v *Verdict) error { v.KeepGroups(these(3, 0)); v.Drop(these(6, 1)); return nil },
			wire.Verdict{Keep: wire.KeepRows, Kept: []byte{1}},
		},
		"route": {
			func(_ *Slice, v *Verdict) error {
				v.RouteGroups(these(3, 0, 1), 4)
				v.RouteGroups(these(3, 1), 5)
				return nil
			},
			wire.Verdict{Routes: []uint16{4, 5, 65535}, RoutesGroups: true},
		},
		"route each": {
			func(_ *Slice, v *Verdict) error { v.RouteEachGroup([]RouteSet{1, 1, 1}); return nil },
			wire.Verdict{Routes: []uint16{1}, RoutesGroups: true},
		},
		"route, then rows": {
			func(_ *Slice, v *Verdict) error {
				v.RouteGroups(these(3, 0), 4)
				v.Route(these(6, 1, 2), 5)
				return nil
			},
			wire.Verdict{Routes: []uint16{4, 5, 5, 65535, 65535, 65535}},
		},
		"route rows, then groups": {
			func(_ *Slice, v *Verdict) error {
				v.Route(these(6, 1, 2), 5)
				v.RouteGroups(these(3, 0), 4)
				return nil
			},
			wire.Verdict{Routes: []uint16{4, 4, 5, 65535, 65535, 65535}},
		},
	} {
		got := *grouped(t, c.act)
		got.Edits = nil
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestGroupsThatAreNoneAreRefused(t *testing.T) {
	stage := start(t, func(needs *Requirements) Plugin {
		needs.Signals(Traces)
		return acting(func(_ *Slice, verdict *Verdict) error { verdict.KeepGroups(these(2)); return nil })
	})
	for name, groups := range map[string][]uint32{"descend": {0, 2, 1, 3}, "end early": {0, 2}, "end late": {0, 4}, "one": {0}, "of another number": {0, 3}} {
		if _, err := stage.Process(wire.Slice{Signal: 0, Rows: 3, Groups: bytesOf(groups)}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// busy has all that a plugin may have besides Process.
type busy struct {
	acting
	held []Entry
}

func (b *busy) Tick(now time.Time, out *Emissions) error {
	out.Emit(Logs, 2).Set("body", TextValue(now.Format(time.RFC3339))).Set("severity_number", NumbersOf[int32](9, 17)).RouteEach([]RouteSet{0, Unchanged})
	return nil
}

func (b *busy) Flush(out *Emissions) error {
	out.Emit(Logs, 3).Set("body", Texts{"one", "two"})
	return nil
}

func (b *busy) Snapshot() ([]Entry, error) { return b.held, nil }

func (b *busy) Restore(entries []Entry) error {
	b.held = entries
	return nil
}

func TestWhatAPluginMayDoBesides(t *testing.T) {
	plugin := &busy{}
	stage := start(t, func(needs *Requirements) Plugin {
		needs.Signals(Traces)
		needs.Text("group.reason")
		needs.Tables("teams")
		needs.TickEvery(1500 * time.Millisecond)
		needs.Keyed("trace_id")
		needs.Also(UseEmit, UseState)
		return plugin
	})
	needs := stage.Requirements()
	if want := []string{"keep", "edits", "groups", "emit", "state", "flush", "snapshot"}; !slices.Equal(needs.Uses, want) {
		t.Errorf("uses %q", needs.Uses)
	}
	if !slices.Equal(needs.Tables, []string{"teams"}) || needs.TickMs != 1500 || needs.State != wire.ScopeKeyed || needs.KeyedBy != "trace_id" {
		t.Errorf("needs %+v", needs)
	}
	made, err := stage.Tick(uint64(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano()))
	if err != nil || len(made) != 1 || made[0].Rows != 2 || !slices.Equal(made[0].Routes, []uint16{0, 65535}) {
		t.Fatalf("made %+v: %v", made, err)
	}
	body, err := ReadBlock(made[0].Fields[0].Columns)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := body.Column(0).Text().At(0); made[0].Fields[0].Path != "body" || text != "2026-01-02T03:04:05Z" {
		t.Errorf("%s is %q", made[0].Fields[0].Path, text)
	}
	if _, err := stage.Flush(); err == nil || err.Error() != "new logs: `body`: 2 values for 3 new records" {
		t.Errorf("flushed: %v", err)
	}
	plugin.held = []Entry{{[]byte("a"), []byte("1")}, {nil, []byte{}}}
	snapshot, err := stage.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	plugin.held = nil
	if err := stage.Restore(snapshot); err != nil || len(plugin.held) != 2 || !bytes.Equal(plugin.held[0].Value, []byte("1")) || len(plugin.held[1].Key) != 0 {
		t.Errorf("restored %v: %v", plugin.held, err)
	}
	texts, _ := EncodeBlock(Texts{"a"}, Texts{"b"})
	if err := stage.Restore(texts); err == nil || !strings.Contains(err.Error(), "expected keys and values") {
		t.Errorf("restored texts: %v", err)
	}
}

// A value for all new records crosses once, whatever its type.
func TestAValueForAllNewRecordsCrossesOnce(t *testing.T) {
	var out Emissions
	emission := out.Emit(Logs, 3)
	values := []Data{
		TextValue("a"), IntValue(-1), DoubleValue(.5), BooleanValue(true), BinaryValue([]byte{1}), EmptyValue(), NumbersOf(int32(9)),
	}
	for _, value := range values {
		emission.Set("body", value)
	}
	list, err := out.wire()
	if err != nil || len(list[0].Fields) != len(values) {
		t.Fatal(err)
	}
	for at, kind := range []Kind{KindText, KindInt64, KindDouble, KindBoolean, KindBinary, KindAny, KindInt32} {
		block, err := ReadBlock(list[0].Fields[at].Columns)
		if err != nil || block.Column(0).Kind() != kind || block.Column(0).Len() != 1 {
			t.Errorf("%v: %v", values[at], err)
		}
	}
}

func TestTicksAndWhoTakesThemFitTogether(t *testing.T) {
	for want, create := range map[string]func(needs *Requirements) Plugin{
		"no method `Tick`": func(needs *Requirements) Plugin { needs.TickEvery(time.Second); return acting(nil) },
		"how often":        func(needs *Requirements) Plugin { return &busy{} },
		"milliseconds":     func(needs *Requirements) Plugin { needs.TickEvery(time.Microsecond); return &busy{} },
	} {
		Export(func(_ struct{}, needs *Requirements) (Plugin, error) { return create(needs), nil })
		if _, err := wire.Start("{}"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Without a host there are no tables and no state, and the failure is one that can be asked for.
func TestAFailureOfTheHostIsAnError(t *testing.T) {
	if _, err := Lookup("teams", Texts{"a"}, "team"); !errors.Is(err, Unavailable) || err.Error() != "lookup in `teams`: unavailable" {
		t.Errorf("lookup: %v", err)
	}
	if _, err := StateGet(Texts{"a"}); !errors.Is(err, Unavailable) {
		t.Errorf("get: %v", err)
	}
	if err := StatePut(Texts{"a"}, Binaries{{1}}, time.Second); !errors.Is(err, Unavailable) {
		t.Errorf("put: %v", err)
	}
	if _, err := StateAdd(Texts{"a"}, NumbersOf[int64](1), -time.Second); err == nil || errors.Is(err, Unavailable) {
		t.Errorf("add: %v", err)
	}
}
