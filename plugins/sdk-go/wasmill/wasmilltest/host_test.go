package wasmilltest

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	"wasmill"
	"wasmill/internal/wire"
)

// keeper asks a table and the host's state for its rows' names, and tells of them by group.
type keeper struct {
	name   wasmill.Column[wasmill.Text]
	waited wasmill.Column[wasmill.Values[uint32]]
}

func (k *keeper) Process(slice *wasmill.Slice, verdict *wasmill.Verdict) error {
	var keys wasmill.TextBuilder
	for row := range slice.Rows() {
		if name, ok := slice.Text(k.name).At(row); ok {
			keys.Append(name)
		} else {
			keys.AppendNone()
		}
	}
	teams, err := wasmill.Lookup("teams", &keys, "team", "size")
	if err != nil {
		return err
	}
	// One for all keys; a row without a key has no sum.
	sums, err := wasmill.StateAdd(&keys, wasmill.NumbersOf[int64](7), 0)
	if err != nil || sums.Len() != slice.Rows() || sums.Has(1) || !sums.Has(2) {
		return errors.Join(err, errors.New("sums of other rows"))
	}
	if err := wasmill.StatePut(wasmill.Texts{"a", "b"}, wasmill.Binaries{{1}, {2}}, 0); err != nil {
		return err
	}
	held, err := wasmill.StateGet(wasmill.Texts{"b", "c"})
	if err != nil {
		return err
	}
	if value, ok := held.At(0); !ok || value[0] != 2 || held.Has(1) {
		return errors.New("the state is not what was put there")
	}
	team := teams.Column(0).Text()
	emission := verdict.Emit(wasmill.Logs, 2)
	first, _ := team.At(0)
	size, _ := teams.Column(1).Any().At(0).Int()
	emission.Set("body", wasmill.TextValue(first)).Set(`attributes["size"]`, wasmill.IntValue(size)).Source(1)
	verdict.KeepGroups(slice.Uint32(k.waited).Matches(func(ms uint32) bool { return ms > 5 }))
	_, err = wasmill.Lookup("teams", &keys, "none")
	if !errors.Is(err, wasmill.Unknown) {
		return errors.New("a field that is not there was found")
	}
	return nil
}

// Groups, tables, state and new records are to a test what they are to the host.
func TestTablesStateAndGroupsAreAsTheHostHasThem(t *testing.T) {
	restore := exporting(t, func(_ struct{}, needs *wasmill.Requirements) (wasmill.Plugin, error) {
		needs.Signals(wasmill.Traces)
		needs.Tables("teams")
		needs.Also(wasmill.UseEmit, wasmill.UseState)
		return &keeper{needs.Text("name"), needs.Uint32("group.waited_ms")}, nil
	})
	defer restore()
	plugin := Start(t, `{}`).Table("teams", Table{"cart": {"team": "shop", "size": 3}})
	answer := plugin.Slice(wasmill.Traces, 3).Groups(1, 2).With("name", "cart", nil, "x").With("group.waited_ms", 6, 5).Process()
	if kept := answer.Kept(); !slices.Equal(kept, []int{0}) {
		t.Errorf("kept %v", kept)
	}
	want := []Emission{{wasmill.Logs, 2, [][]string{nil, nil}, map[string][]any{
		"body": {"shop", "shop"}, `attributes["size"]`: {int64(3), int64(3)}, "source": {uint32(1), uint32(1)},
	}}}
	if got := answer.Emitted(); !reflect.DeepEqual(got, want) {
		t.Errorf("emitted %+v", got)
	}
	if state, sums := plugin.State(), plugin.Sums(); len(state) != 2 || !maps.Equal(sums, map[string]int64{"cart": 7, "x": 7}) {
		t.Errorf("state %v, sums %v", state, sums)
	}
}

// exporting exports another plugin for as long as a test runs.
func exporting[C any](t *testing.T, create func(C, *wasmill.Requirements) (wasmill.Plugin, error)) func() {
	t.Helper()
	before := wire.Start
	wasmill.Export(create)
	return func() { wire.Start = before }
}
