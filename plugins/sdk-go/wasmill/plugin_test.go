package wasmill

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"wasmill/internal/wire"
)

// acting is a plugin that does what a test says.
type acting func(slice *Slice, verdict *Verdict) error

func (a acting) Process(slice *Slice, verdict *Verdict) error { return a(slice, verdict) }

type flushing struct {
	acting
	flushed *int
}

func (f flushing) Flush(*Emissions) error {
	*f.flushed++
	return errors.New("flushed")
}

func start(t *testing.T, create func(needs *Requirements) Plugin) wire.Stage {
	t.Helper()
	Export(func(_ struct{}, needs *Requirements) (Plugin, error) { return create(needs), nil })
	stage, err := wire.Start("{}")
	if err != nil {
		t.Fatal(err)
	}
	return stage
}

// verdictOf gives what a plugin without columns answers about some rows.
func verdictOf(t *testing.T, rows int, act acting) *wire.Verdict {
	t.Helper()
	stage := start(t, func(needs *Requirements) Plugin {
		needs.Signals(Logs)
		return act
	})
	verdict, err := stage.Process(wire.Slice{Signal: wire.Signal(Logs), Rows: uint32(rows)})
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

func TestWhatAPluginAsksFor(t *testing.T) {
	flushed := 0
	stage := start(t, func(needs *Requirements) Plugin {
		needs.Signals(Traces, Logs)
		needs.Text("trace_state")
		needs.Dictionary(Attribute("attributes", `a"b\c`))
		needs.Signals(Logs)
		needs.Any("body")
		needs.Text("trace_state")
		needs.RouteSet("eu", "us")
		return flushing{flushed: &flushed}
	})
	text := wire.Request{Path: "trace_state", Kind: 9, Text: 2}
	attribute := wire.Request{Path: `attributes["a\"b\\c"]`, Kind: 9, Text: 1}
	want := wire.Requirements{
		Inputs: []wire.Input{
			{Signal: 0, Columns: []wire.Request{text, attribute}},
			{Signal: 2, Columns: []wire.Request{text, attribute, {Path: "body", Kind: 12, Text: 2}}},
		},
		RouteSets: [][]string{{"eu", "us"}},
		Uses:      []string{"keep", "edits", "routes", "flush"},
	}
	if got := stage.Requirements(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if _, err := stage.Flush(); err == nil || err.Error() != "flushed" || flushed != 1 {
		t.Errorf("flushed %d times: %v", flushed, err)
	}
}

func TestAColumnOfNoSignalIsRefused(t *testing.T) {
	Export(func(_ struct{}, needs *Requirements) (Plugin, error) {
		needs.Text("name")
		return acting(nil), nil
	})
	if _, err := wire.Start("{}"); err == nil || !strings.Contains(err.Error(), "`name`") {
		t.Errorf("started: %v", err)
	}
}

func TestRowsAreKeptAndDropped(t *testing.T) {
	even := BitmapOf(10, func(row int) bool { return row%2 == 0 })
	first := BitmapOf(10, func(row int) bool { return row < 3 })
	for name, c := range map[string]struct {
		act  acting
		keep wire.Keep
		kept []byte
	}{
		"untouched":     {func(*Slice, *Verdict) error { return nil }, wire.KeepAll, nil},
		"keep":          {func(_ *Slice, v *Verdict) error { v.Keep(even); return nil }, wire.KeepRows, []byte{0x55, 1}},
		"keep both":     {func(_ *Slice, v *Verdict) error { v.Keep(even); v.Keep(first); return nil }, wire.KeepRows, []byte{5, 0}},
		"drop":          {func(_ *Slice, v *Verdict) error { v.Drop(even); v.Drop(first); return nil }, wire.KeepRows, []byte{0xa8, 2}},
		"drop none":     {func(_ *Slice, v *Verdict) error { v.Drop(NewBitmap(10)); return nil }, wire.KeepAll, nil},
		"drop the rest": {func(_ *Slice, v *Verdict) error { v.Drop(even); v.Keep(even); return nil }, wire.KeepNone, nil},
		"drop all":      {func(_ *Slice, v *Verdict) error { v.DropAll(); return nil }, wire.KeepNone, nil},
	} {
		if got := verdictOf(t, 10, c.act); got.Keep != c.keep || !slices.Equal(got.Kept, c.kept) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if even.Count() != 5 {
		t.Error("the plugin's own bitmap was changed")
	}
}

func TestRowsAreRouted(t *testing.T) {
	some := BitmapOf(3, func(row int) bool { return row == 1 })
	for name, c := range map[string]struct {
		act  acting
		want []uint16
	}{
		"untouched": {func(*Slice, *Verdict) error { return nil }, nil},
		"all":       {func(_ *Slice, v *Verdict) error { v.RouteAll(7); return nil }, []uint16{7}},
		"some":      {func(_ *Slice, v *Verdict) error { v.Route(some, 7); return nil }, []uint16{65535, 7, 65535}},
		"over all":  {func(_ *Slice, v *Verdict) error { v.RouteAll(1); v.Route(some, 7); return nil }, []uint16{1, 7, 1}},
		"each":      {func(_ *Slice, v *Verdict) error { v.RouteEach([]RouteSet{3, 4, 5}); return nil }, []uint16{3, 4, 5}},
		"the same":  {func(_ *Slice, v *Verdict) error { v.RouteEach([]RouteSet{3, 3, 3}); return nil }, []uint16{3}},
		"unchanged": {func(_ *Slice, v *Verdict) error { v.RouteAll(Unchanged); return nil }, nil},
	} {
		if got := verdictOf(t, 3, c.act); !slices.Equal(got.Routes, c.want) {
			t.Errorf("%s: got %v", name, got.Routes)
		}
	}
}

func TestEditsAreInTheirOrder(t *testing.T) {
	maps := new(AttributesBuilder)
	maps.Entry("k", TextValue("v"))
	verdict := verdictOf(t, 40, func(_ *Slice, v *Verdict) error {
		v.Set("a", AllRows, TextValue("x"))
		v.Set("b", Indices{3, 1}, NumbersOf[int64](5, 6))
		v.Set("c", NewBitmap(40), TextValue("of nothing"))
		v.Remove("d", Entries{9})
		v.Merge("attributes", FullBitmap(40), maps)
		return nil
	})
	block := func(columns ...Data) []byte {
		bytes, err := EncodeBlock(columns...)
		if err != nil {
			t.Fatal(err)
		}
		return bytes
	}
	want := []wire.Edit{
		{Path: "a", Change: wire.Set, Columns: block(Texts{"x"})},
		{Path: "b", Target: wire.TargetIndices, Rows: []byte{3, 0, 0, 0, 1, 0, 0, 0}, Change: wire.Set, Columns: block(NumbersOf[int64](5, 6))},
		{Path: "d", Target: wire.TargetEntries, Rows: []byte{9, 0, 0, 0}, Change: wire.Remove},
		{Path: "attributes", Change: wire.Merge, Columns: block(maps)},
	}
	if !reflect.DeepEqual(verdict.Edits, want) {
		t.Errorf("got %+v", verdict.Edits)
	}
}

// What a verdict was given is copied: the plugin goes on with its bitmap and its builder.
func TestAVerdictKeepsWhatItWasGiven(t *testing.T) {
	verdict := verdictOf(t, 4, func(_ *Slice, v *Verdict) error {
		rows, texts := BitmapOf(4, func(row int) bool { return row < 2 }), new(TextBuilder)
		places := Entries{1}
		for _, text := range []string{"a", "b"} {
			texts.Append(text)
			v.Set("text", rows, texts)
			v.Remove("attributes", places)
			rows.Not()
			texts.Reset()
			places[0] = 2
		}
		return nil
	})
	if got := [][]byte{verdict.Edits[0].Rows, verdict.Edits[1].Rows, verdict.Edits[2].Rows}; !reflect.DeepEqual(got, [][]byte{{3}, {1, 0, 0, 0}, {12}}) {
		t.Errorf("targets are %v", got)
	}
	block, err := ReadBlock(verdict.Edits[0].Columns)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := block.Column(0).Text().At(0); text != "a" {
		t.Errorf("the first text is %q", text)
	}
}

// What a plugin does wrong is an error of the call, in its own words, and the next call is as good as any.
func TestErrorsAndPanicsAreErrorsOfTheCall(t *testing.T) {
	var act acting
	stage := start(t, func(needs *Requirements) Plugin {
		needs.Signals(Logs)
		return acting(func(slice *Slice, verdict *Verdict) error { return act(slice, verdict) })
	})
	process := func(signal Signal, bytes ...byte) (*wire.Verdict, error) {
		return stage.Process(wire.Slice{Signal: wire.Signal(signal), Rows: 1, Columns: bytes})
	}
	act = func(_ *Slice, v *Verdict) error { v.DropAll(); return errors.New("not today") }
	if _, err := process(Logs); err == nil || err.Error() != "not today" {
		t.Errorf("an error became %v", err)
	}
	act = func(*Slice, *Verdict) error { return [](error){}[len(t.Name())] }
	_, err := process(Logs)
	if err == nil || !strings.HasPrefix(err.Error(), "panic: runtime error: index out of range") {
		t.Errorf("a panic became %v", err)
	} else if !strings.Contains(err.Error(), "TestErrorsAndPanicsAreErrorsOfTheCall") || strings.Contains(err.Error(), "wire.") {
		t.Errorf("the panic was said to be elsewhere: %v", err)
	}
	act = func(slice *Slice, _ *Verdict) error { slice.Text(Column[Text]{}); return nil }
	if _, err := process(Logs); err == nil || !strings.Contains(err.Error(), "not asked for") {
		t.Errorf("a column that was not asked for: %v", err)
	}
	if _, err := process(Traces); err == nil || err.Error() != "traces are not a signal of this plugin" {
		t.Errorf("another signal: %v", err)
	}
	if _, err := process(Logs, 1, 2, 3); err == nil {
		t.Error("a broken block was taken")
	}
	act = func(*Slice, *Verdict) error { return nil }
	if verdict, err := process(Logs); err != nil || verdict.Keep != wire.KeepAll {
		t.Errorf("the call after: %+v, %v", verdict, err)
	}
}
