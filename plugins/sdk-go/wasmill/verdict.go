package wasmill

import (
	"slices"

	"wasmill/internal/wire"
)

// A bitmap has a bit for each row, row numbers have 32 for each target: up to one target in so many rows, numbers are shorter.
const sparse = 32

// Verdict is what becomes of a slice. Untouched, it keeps all rows as they are.
type Verdict struct {
	rows int
	// nil: all.
	kept *Bitmap
	// Empty: unchanged. Else one for each row.
	routes []RouteSet
	// Over the groups of the slice; as those of rows, and at most one of the two says something of routes.
	groups      Groups
	keptGroups  *Bitmap
	groupRoutes []RouteSet
	edits       []wire.Edit
	emissions   Emissions
	err         error
	answer      wire.Verdict
}

// Target says which rows, or entries, an edit is about: AllRows, a *Bitmap, Indices or Entries.
type Target interface {
	// false: none are meant.
	target() (target, bool)
}

type target struct {
	kind  wire.Target
	bytes []byte
}

// AllRows is every row of the slice.
var AllRows Target = allRows{}

type allRows struct{}

func (allRows) target() (target, bool) { return target{}, true }

// Indices is rows by their numbers, in any order.
type Indices []uint32

func (i Indices) target() (target, bool) {
	return target{wire.TargetIndices, bytesOf(i)}, len(i) > 0
}

// Entries is places in the Attributes or Sequence column that the edit's path was asked for as: single entries.
type Entries []uint32

func (e Entries) target() (target, bool) {
	return target{wire.TargetEntries, bytesOf(e)}, len(e) > 0
}

func rowsTarget(b *Bitmap) target { return target{wire.TargetRows, b.bytes()} }

// begin makes ready for a slice, with the memory of the one before.
func (v *Verdict) begin(rows int, groups Groups) {
	v.rows, v.kept, v.routes, v.edits, v.err = rows, nil, v.routes[:0], v.edits[:0], nil
	v.groups, v.keptGroups, v.groupRoutes, v.emissions.list = groups, nil, v.groupRoutes[:0], nil
}

// Keep keeps these rows alone. Said twice, the rows that are in both stay.
func (v *Verdict) Keep(rows *Bitmap) {
	if v.kept == nil {
		v.kept = FullBitmap(v.rows)
	}
	v.kept.And(rows)
}

// Drop drops these rows.
func (v *Verdict) Drop(rows *Bitmap) {
	if v.kept == nil {
		v.kept = FullBitmap(v.rows)
	}
	v.kept.AndNot(rows)
}

// DropAll drops every row.
func (v *Verdict) DropAll() { v.kept = NewBitmap(v.rows) }

// RouteAll sends every row to the routes of the set.
func (v *Verdict) RouteAll(set RouteSet) {
	v.routes, v.groupRoutes = v.routes[:0], v.groupRoutes[:0]
	for range v.rows {
		v.routes = append(v.routes, set)
	}
}

// Route sends these rows of the slice to the routes of the set. Said twice of a row, the later one counts.
func (v *Verdict) Route(rows *Bitmap, set RouteSet) {
	v.routesByRow()
	if len(v.routes) == 0 {
		v.RouteAll(Unchanged)
	}
	for row := range rows.All() {
		v.routes[row] = set
	}
}

// RouteEach sends each row to the routes of its own set; Unchanged leaves it as it was. It panics when there is not one for each
// row.
func (v *Verdict) RouteEach(sets []RouteSet) {
	if len(sets) != v.rows {
		panic(itoa(len(sets)) + " routes for " + itoa(v.rows) + " rows")
	}
	v.routes, v.groupRoutes = append(v.routes[:0], sets...), v.groupRoutes[:0]
}

// Set gives the targets these values: one for each, in order, or a single one for all, such as TextValue("eu"). A value is
// created where there was none; a row without a value (an absent one in Any) removes.
func (v *Verdict) Set(path string, targets Target, values Data) {
	v.change(path, targets, wire.Set, values)
}

// Merge sets the entries of a map in each of the targets; other entries stay. The path is a whole map, such as `attributes`.
// There is a map for each target, or a single one for all.
func (v *Verdict) Merge(path string, targets Target, maps *AttributesBuilder) {
	v.change(path, targets, wire.Merge, maps)
}

// Remove removes the attribute, entry or value. A field without presence takes its default.
func (v *Verdict) Remove(path string, targets Target) {
	v.change(path, targets, wire.Remove, nil)
}

func (v *Verdict) change(path string, targets Target, change wire.Change, values Data) {
	to, some := targets.target()
	if !some {
		return
	}
	// The plugin may go on with its bitmap, and change it for the next edit.
	edit := wire.Edit{Path: path, Target: to.kind, Rows: slices.Clone(to.bytes), Change: change}
	if values != nil {
		block, err := EncodeBlock(values)
		if err != nil {
			v.err = err
		}
		edit.Columns = block
	}
	v.edits = append(v.edits, edit)
}

// wire gives the verdict as it crosses.
func (v *Verdict) wire() (*wire.Verdict, error) {
	emit, err := v.emissions.wire()
	if err != nil {
		return nil, err
	}
	v.answer = wire.Verdict{Edits: v.edits, Emit: emit}
	v.settle()
	kept, some := v.kept, wire.KeepRows
	if kept == nil {
		kept, some = v.keptGroups, wire.KeepGroups
	}
	switch {
	case kept == nil || kept.Full():
	case kept.Empty():
		v.answer.Keep = wire.KeepNone
	default:
		v.answer.Keep, v.answer.Kept = some, kept.bytes()
	}
	v.answer.Routes = shortened(v.routes)
	if len(v.groupRoutes) > 0 {
		v.answer.Routes, v.answer.RoutesGroups = shortened(v.groupRoutes), true
	}
	return &v.answer, nil
}
