package wasmill

import (
	"fmt"
	"iter"
)

// Groups says which rows of a slice belong together, in a stage with `group_by:`. A group's rows follow each other. Elsewhere there are
// none.
//
// Facts about a group are columns with a value for each group: `group.waited_ms`, asked for by Uint32, is how long its first row waited;
// `group.reason`, by Text, why it is decided now: `wait`, `full`, `rows` or `closed`.
type Groups struct {
	// Where each starts, and the end; empty: there are none.
	starts []uint32
}

// Len is the number of groups.
func (g Groups) Len() int { return max(len(g.starts)-1, 0) }

// Rows gives the rows of a group: from the one, up to before the other. There is at least one.
func (g Groups) Rows(group int) (from, to int) {
	return int(g.starts[group]), int(g.starts[group+1])
}

// All gives each group with its rows, as a Range.
func (g Groups) All() iter.Seq2[int, Range] {
	return func(yield func(int, Range) bool) {
		for group := range g.Len() {
			from, to := g.Rows(group)
			if !yield(group, Range{from, to}) {
				return
			}
		}
	}
}

// Range is rows that follow each other: from the one, up to before the other.
type Range struct {
	From, To int
}

// Any gives the groups that have one of these rows.
func (g Groups) Any(rows *Bitmap) *Bitmap {
	groups, group := NewBitmap(g.Len()), 0
	for row := range rows.All() {
		for group < g.Len() && row >= int(g.starts[group+1]) {
			group++
		}
		if group == g.Len() {
			break
		}
		groups.Add(group)
	}
	return groups
}

// Expand gives the rows of these groups.
func (g Groups) Expand(groups *Bitmap) *Bitmap {
	rows := NewBitmap(g.rows())
	for group := range groups.All() {
		from, to := g.Rows(group)
		for row := from; row < to; row++ {
			rows.Add(row)
		}
	}
	return rows
}

func (g Groups) rows() int {
	if len(g.starts) == 0 {
		return 0
	}
	return int(g.starts[len(g.starts)-1])
}

// read takes what the contract says of groups, and checks it.
func (g *Groups) read(bytes []byte, rows int) error {
	g.starts = valuesOf[uint32](bytes)
	if len(bytes)%4 != 0 || len(bytes) == 4 {
		return fmt.Errorf("the groups of a slice in %d bytes, expected a u32 for each and one more", len(bytes))
	}
	before := uint32(0)
	for at, start := range g.starts {
		if start < before || at == 0 && start != 0 || int(start) > rows {
			return fmt.Errorf("group %d of a slice of %d rows starts at %d", at, rows, start)
		}
		before = start
	}
	if g.Len() > 0 && g.rows() != rows {
		return fmt.Errorf("the groups of a slice of %d rows end at %d", rows, g.rows())
	}
	return nil
}

// KeepGroups keeps these groups alone, whole: a bitmap over the groups of the slice. Said twice, the groups that are in both stay; rows
// that Keep or Drop take away are gone nonetheless.
func (v *Verdict) KeepGroups(groups *Bitmap) {
	v.checkGroups(groups)
	if v.keptGroups == nil {
		v.keptGroups = FullBitmap(v.groups.Len())
	}
	v.keptGroups.And(groups)
}

// DropGroups drops these groups, whole.
func (v *Verdict) DropGroups(groups *Bitmap) {
	v.checkGroups(groups)
	if v.keptGroups == nil {
		v.keptGroups = FullBitmap(v.groups.Len())
	}
	v.keptGroups.AndNot(groups)
}

// RouteGroups sends all rows of these groups to the routes of the set. Said twice of a row, by groups or by rows, the later one counts.
func (v *Verdict) RouteGroups(groups *Bitmap, set RouteSet) {
	v.checkGroups(groups)
	if len(v.routes) > 0 {
		v.Route(v.groups.Expand(groups), set)
		return
	}
	if len(v.groupRoutes) == 0 {
		for range v.groups.Len() {
			v.groupRoutes = append(v.groupRoutes, Unchanged)
		}
	}
	for group := range groups.All() {
		v.groupRoutes[group] = set
	}
}

// RouteEachGroup sends each group to the routes of its own set; Unchanged leaves it as it was. It panics when there is not one for each
// group.
func (v *Verdict) RouteEachGroup(sets []RouteSet) {
	if len(sets) != v.groups.Len() {
		panic(itoa(len(sets)) + " routes for " + itoa(v.groups.Len()) + " groups")
	}
	v.routes, v.groupRoutes = v.routes[:0], append(v.groupRoutes[:0], sets...)
}

func (v *Verdict) checkGroups(groups *Bitmap) {
	if groups.Len() != v.groups.Len() {
		panic("a bitmap over " + itoa(groups.Len()) + " groups, the slice has " + itoa(v.groups.Len()))
	}
}

// settle makes of what was said of groups something said of rows, where both were said.
func (v *Verdict) settle() {
	if v.keptGroups != nil && v.kept != nil {
		v.kept.And(v.groups.Expand(v.keptGroups))
		v.keptGroups = nil
	}
}

// routesByRow makes routes of rows out of those of groups.
func (v *Verdict) routesByRow() {
	if len(v.groupRoutes) == 0 {
		return
	}
	for group, rows := range v.groups.All() {
		for range rows.To - rows.From {
			v.routes = append(v.routes, v.groupRoutes[group])
		}
	}
	v.groupRoutes = v.groupRoutes[:0]
}
