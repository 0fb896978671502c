// Package wire has what crosses between a plugin and whoever runs it: the host, or a test. It is between the SDK, which decides
// what is in it, and the generated bindings, which know how it is laid out.
package wire

// Signal is the number of a case of the contract's `signal`.
type Signal uint8

// Request is a column that is asked for.
type Request struct {
	Path string
	Kind uint8
	// The number of a case of `text-form`.
	Text uint8
	// Whether the column comes as a sequence of this kind. The host knows by the path.
	Sequence bool
}

// Input is what is to be shown of a signal.
type Input struct {
	Signal  Signal
	Columns []Request
}

// Requirements is what a plugin needs and does.
type Requirements struct {
	Inputs []Input
	State  Scope
	// The path that instances are keyed by, with ScopeKeyed.
	KeyedBy   string
	RouteSets [][]string
	Uses      []string
	Tables    []string
	TickMs    uint32
}

// Scope says who shares the memory of an instance.
type Scope uint8

// Who shares the memory of an instance.
const (
	ScopeStateless Scope = iota
	ScopeKeyed
	ScopeSingle
)

// Slice is some rows of a batch.
type Slice struct {
	Signal Signal
	Rows   uint32
	// Where each group starts, and the end, each a u32; empty: there are none.
	Groups  []byte
	Columns []byte
}

// Keep says which rows stay.
type Keep uint8

// Which rows stay.
const (
	KeepAll Keep = iota
	KeepNone
	KeepRows
	KeepGroups
)

// Target says what an edit is about.
type Target uint8

// What an edit is about.
const (
	TargetAll Target = iota
	TargetRows
	TargetIndices
	TargetEntries
)

// Change says what becomes of an edit's targets.
type Change uint8

// What becomes of an edit's targets.
const (
	Remove Change = iota
	Set
	Merge
)

// Edit is a change of one path.
type Edit struct {
	Path    string
	Target  Target
	Rows    []byte
	Change  Change
	Columns []byte
}

// Unchanged is the route of a row that stays as it was.
const Unchanged = 65535

// Verdict is what becomes of a slice.
type Verdict struct {
	Keep Keep
	// With KeepRows and KeepGroups.
	Kept []byte
	// Empty: no route is changed. One: that of all rows. Else one for each row, or each group.
	Routes       []uint16
	RoutesGroups bool
	Edits        []Edit
	Emit         []Emission
}

// Field is a field of new records.
type Field struct {
	Path    string
	Columns []byte
}

// Emission is new records.
type Emission struct {
	Signal Signal
	Rows   uint32
	// As a verdict's, for each record.
	Routes []uint16
	Fields []Field
}

// Stage is a running plugin. What it gives is its own until the next call.
type Stage interface {
	Requirements() Requirements
	Process(slice Slice) (*Verdict, error)
	Tick(now uint64) ([]Emission, error)
	Flush() ([]Emission, error)
	Snapshot() ([]byte, error)
	Restore(entries []byte) error
}

// Start starts the plugin of this program with a config in JSON; nil: the program has none.
var Start func(config string) (Stage, error)
