package wasmilltest

import (
	"encoding/binary"
	"slices"
	"testing"

	"wasmill"
	"wasmill/internal/wire"
)

// Answer is a verdict that was checked as the host checks it.
type Answer struct {
	t     testing.TB
	rows  int
	kept  []int
	route [][]string
	edits []Edit
	emit  []Emission
}

// Emission is new records of one signal.
type Emission struct {
	Signal wasmill.Signal
	Rows   int
	// Routes are the names that each record is sent to; nil: where the stage's `emit_to:` says.
	Routes [][]string
	// Fields are by path, with a value for each record as those of Slice.With.
	Fields map[string][]any
}

// Edit is a change of one path, with one value for each target.
type Edit struct {
	Path string
	// Targets are row numbers, or places of entries.
	Targets []int
	Entries bool
	// Values are those of Slice.With; nil removes. A Map is merged.
	Values []any
}

// Kept gives the rows that stay.
func (a *Answer) Kept() []int { return a.kept }

// Routes gives the names that each row is sent to; nil: unchanged.
func (a *Answer) Routes() [][]string { return a.route }

// Emitted gives the new records, in order.
func (a *Answer) Emitted() []Emission { return a.emit }

// Edits gives the edits in order.
func (a *Answer) Edits() []Edit { return a.edits }

// Edited gives what rows get at this path, by their numbers. Edits of entries are not in it.
func (a *Answer) Edited(path string) map[int]any {
	rows := map[int]any{}
	for _, edit := range a.edits {
		if edit.Path == path && !edit.Entries {
			for at, row := range edit.Targets {
				rows[row] = edit.Values[at]
			}
		}
	}
	return rows
}

func answerOf(t testing.TB, needs wire.Requirements, rows int, groups []uint32, verdict *wire.Verdict) *Answer {
	t.Helper()
	answer := &Answer{t: t, rows: rows, route: make([][]string, rows)}
	used := func(does bool, use string) {
		if does && !slices.Contains(needs.Uses, use) {
			t.Fatalf("the verdict does what the plugin did not name: it uses %q, not `%s`", needs.Uses, use)
		}
	}
	used(verdict.Keep != wire.KeepAll, "keep")
	used(len(verdict.Routes) > 0, "routes")
	used(len(verdict.Edits) > 0, "edits")
	used(verdict.Keep == wire.KeepGroups || verdict.RoutesGroups, "groups")
	answer.emit = emissionsOf(t, needs, verdict.Emit)
	group := 0
	for row := range rows {
		for group+1 < len(groups) && row >= int(groups[group+1]) {
			group++
		}
		has := func(bit int) bool { return verdict.Kept[bit/8]>>(bit%8)&1 == 1 }
		if verdict.Keep == wire.KeepAll || verdict.Keep == wire.KeepRows && has(row) || verdict.Keep == wire.KeepGroups && has(group) {
			answer.kept = append(answer.kept, row)
		}
		of := row
		if verdict.RoutesGroups {
			of = group
		}
		answer.route[row] = namesOf(t, needs, verdict.Routes, of)
	}
	for _, edit := range verdict.Edits {
		answer.edits = append(answer.edits, answer.editOf(edit))
	}
	return answer
}

func namesOf(t testing.TB, needs wire.Requirements, routes []uint16, row int) []string {
	t.Helper()
	set := routeOf(routes, row)
	if set == wire.Unchanged {
		return nil
	}
	if int(set) >= len(needs.RouteSets) {
		t.Fatalf("row %d: no route set has the number %d", row, set)
	}
	return needs.RouteSets[set]
}

func emissionsOf(t testing.TB, needs wire.Requirements, list []wire.Emission) []Emission {
	t.Helper()
	var emissions []Emission
	for _, one := range list {
		if !slices.Contains(needs.Uses, "emit") {
			t.Fatalf("the plugin makes records, which it did not name: it uses %q", needs.Uses)
		}
		emission := Emission{wasmill.Signal(one.Signal), int(one.Rows), make([][]string, one.Rows), map[string][]any{}}
		for row := range emission.Rows {
			emission.Routes[row] = namesOf(t, needs, one.Routes, row)
		}
		for _, field := range one.Fields {
			block, err := wasmill.ReadBlock(field.Columns)
			if err != nil || block.Len() != 1 || block.Column(0).Len() != emission.Rows && block.Column(0).Len() != 1 {
				t.Fatalf("`%s`: not a column of %d values, or of one: %v", field.Path, emission.Rows, err)
			}
			for row := range emission.Rows {
				// A single value is one for all.
				value := cell(block.Column(0), min(row, block.Column(0).Len()-1))
				emission.Fields[field.Path] = append(emission.Fields[field.Path], value)
			}
		}
		emissions = append(emissions, emission)
	}
	return emissions
}

func routeOf(routes []uint16, row int) uint16 {
	switch len(routes) {
	case 0:
		return wire.Unchanged
	case 1:
		return routes[0]
	}
	return routes[row]
}

func (a *Answer) editOf(edit wire.Edit) Edit {
	a.t.Helper()
	of := Edit{Path: edit.Path, Entries: edit.Target == wire.TargetEntries}
	for row := range a.rows {
		if edit.Target == wire.TargetAll || edit.Target == wire.TargetRows && edit.Rows[row/8]>>(row%8)&1 == 1 {
			of.Targets = append(of.Targets, row)
		}
	}
	if edit.Target == wire.TargetIndices || of.Entries {
		for at := 0; at < len(edit.Rows); at += 4 {
			of.Targets = append(of.Targets, int(binary.LittleEndian.Uint32(edit.Rows[at:])))
		}
	}
	if !of.Entries && slices.ContainsFunc(of.Targets, func(row int) bool { return row >= a.rows }) {
		a.t.Fatalf("`%s`: rows %v of %d are edited", edit.Path, of.Targets, a.rows)
	}
	if edit.Change == wire.Remove {
		of.Values = make([]any, len(of.Targets))
		return of
	}
	block, err := wasmill.ReadBlock(edit.Columns)
	if err != nil {
		a.t.Fatalf("`%s`: %v", edit.Path, err)
	}
	if block.Len() != 1 {
		a.t.Fatalf("`%s`: %d columns, expected one", edit.Path, block.Len())
	}
	column := block.Column(0)
	if column.Len() != 1 && column.Len() != len(of.Targets) {
		a.t.Fatalf("`%s`: %d values for %d targets", edit.Path, column.Len(), len(of.Targets))
	}
	for at := range of.Targets {
		if column.Len() == 1 {
			at = 0
		}
		of.Values = append(of.Values, cell(column, at))
	}
	return of
}

// cell gives a row of a column as a test writes it.
func cell(column wasmill.View, row int) any {
	switch column.Kind() {
	case wasmill.KindBoolean:
		return orNil(column.Boolean().At(row))
	case wasmill.KindUint8:
		return orNil(column.Uint8().At(row))
	case wasmill.KindUint32:
		return orNil(column.Uint32().At(row))
	case wasmill.KindInt32:
		return orNil(column.Int32().At(row))
	case wasmill.KindUint64:
		return orNil(column.Uint64().At(row))
	case wasmill.KindInt64:
		return orNil(column.Int64().At(row))
	case wasmill.KindDouble:
		return orNil(column.Double().At(row))
	case wasmill.KindID8:
		return orNil(column.ID8().At(row))
	case wasmill.KindID16:
		return orNil(column.ID16().At(row))
	case wasmill.KindText, wasmill.KindDictionary:
		return orNil(column.Text().At(row))
	case wasmill.KindAny:
		return unany(column.Any().At(row))
	case wasmill.KindAttributes:
		entries := Map{}
		for key, value := range column.Attributes().Entries(row) {
			entries = append(entries, Entry{key, unany(value)})
		}
		return entries
	case wasmill.KindSequence:
		list, sequence := List{}, column.Sequence()
		from, to := sequence.Places(row)
		for at := from; at < to; at++ {
			list = append(list, cell(sequence.Values(), at))
		}
		return list
	}
	return orNil(column.Binary().At(row))
}

func orNil[T any](value T, ok bool) any {
	if !ok {
		return nil
	}
	return value
}

func unany(value wasmill.Value) any {
	switch value.Kind() {
	case wasmill.AnyAbsent:
		return nil
	case wasmill.AnyText:
		return orNil(value.Text())
	case wasmill.AnyInt:
		return orNil(value.Int())
	case wasmill.AnyDouble:
		return orNil(value.Double())
	case wasmill.AnyBoolean:
		return orNil(value.Boolean())
	case wasmill.AnyBinary:
		return orNil(value.Bytes())
	}
	// Empty ones, lists and maps have no other form.
	return value
}
