package wasmill

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wasmill/internal/wire"
)

// Signal says what rows are.
type Signal uint8

// The signals that a plugin can be used on.
const (
	// Traces: rows are spans.
	Traces Signal = iota
	// Metrics: rows are data points of all kinds.
	Metrics
	// Logs: rows are log records.
	Logs
)

// String is the signal's name.
func (s Signal) String() string {
	if int(s) < len(signalNames) {
		return signalNames[s]
	}
	return "signal " + itoa(int(s))
}

var signalNames = [...]string{"traces", "metrics", "logs"}

// Use is something that a plugin does with rows. The host refuses a verdict that does something else.
type Use string

// What a plugin may do.
const (
	UseKeep   Use = "keep"
	UseRoutes Use = "routes"
	UseEdits  Use = "edits"
	// UseEmit: it makes new records.
	UseEmit Use = "emit"
	// UseGroups: it keeps or routes whole groups. It follows from asking for a column `group.…`, too.
	UseGroups Use = "groups"
	// UseState: it calls StateGet, StatePut or StateAdd.
	UseState Use = "state"
)

// TextForm says how text comes.
type TextForm uint8

// How text comes.
const (
	AsPlain TextForm = iota
	AsDictionary
	// AsEither is whichever costs the host less; it may differ from call to call.
	AsEither
)

// Column is a column that was asked for, and the key to it in each Slice. V is the type of its view. The zero Column was not
// asked for.
type Column[V any] struct {
	// One more than its place in Requirements.wanted.
	number int
}

// RouteSet is one of the sets of routes that a plugin declared.
type RouteSet uint16

// Unchanged is the route of a row that stays as it was.
const Unchanged RouteSet = wire.Unchanged

// Requirements is what a plugin needs, said once when it is made. All instances of one config must say the same.
type Requirements struct {
	wanted    []wire.Request
	inputs    []input
	routeSets [][]string
	uses      []string
	also      []string
	tables    []string
	scope     wire.Scope
	keyedBy   string
	tick      time.Duration
	// The signals that columns are asked for of.
	current []Signal
	err     error
}

type input struct {
	signal Signal
	// Places in Requirements.wanted, in the order in which they come.
	columns []int
}

// Signals says that the plugin can be used on these. Columns that are asked for from here on are columns of each of them; say it
// again to ask for columns of fewer.
func (r *Requirements) Signals(signals ...Signal) {
	r.current = signals
	for _, signal := range signals {
		if r.input(signal) == nil {
			r.inputs = append(r.inputs, input{signal: signal})
		}
	}
}

func (r *Requirements) input(signal Signal) *input {
	for i := range r.inputs {
		if r.inputs[i].signal == signal {
			return &r.inputs[i]
		}
	}
	return nil
}

func (r *Requirements) want(path string, kind Kind, form TextForm) int {
	return r.request(wire.Request{Path: path, Kind: uint8(kind), Text: uint8(form)})
}

func (r *Requirements) request(wanted wire.Request) int {
	if len(r.current) == 0 && r.err == nil {
		r.err = fmt.Errorf("`%s` is asked for of no signal: call `Signals` before", wanted.Path)
	}
	number := slices.Index(r.wanted, wanted)
	if number < 0 {
		number = len(r.wanted)
		r.wanted = append(r.wanted, wanted)
	}
	for _, signal := range r.current {
		if in := r.input(signal); !slices.Contains(in.columns, number) {
			in.columns = append(in.columns, number)
		}
	}
	return number + 1
}

// Column asks for a column of whatever kind and form. The other methods say the same with a type. Fields of events, links and
// exemplars are for Sequence.
func (r *Requirements) Column(path string, kind Kind, form TextForm) Column[View] {
	return Column[View]{r.want(path, kind, form)}
}

// Text asks for text, in whichever form costs the host less. A path is as in the Collector's transformation language: `name`,
// `attributes["k"]`, `resource.attributes["service.name"]`. An attribute that is asked for as a type has no value in rows
// where it is of another; Any sees all.
func (r *Requirements) Text(path string) Column[Text] {
	return Column[Text]{r.want(path, KindText, AsEither)}
}

// Dictionary asks for text that repeats: for each row the number of its value in a dictionary.
func (r *Requirements) Dictionary(path string) Column[Text] {
	return Column[Text]{r.want(path, KindText, AsDictionary)}
}

// Boolean asks for truth values.
func (r *Requirements) Boolean(path string) Column[Boolean] {
	return Column[Boolean]{r.want(path, KindBoolean, AsEither)}
}

// Uint8 asks for numbers, as the following do.
func (r *Requirements) Uint8(path string) Column[Values[uint8]] {
	return Column[Values[uint8]]{r.want(path, KindUint8, AsEither)}
}

// Uint32 asks for numbers.
func (r *Requirements) Uint32(path string) Column[Values[uint32]] {
	return Column[Values[uint32]]{r.want(path, KindUint32, AsEither)}
}

// Int32 asks for numbers.
func (r *Requirements) Int32(path string) Column[Values[int32]] {
	return Column[Values[int32]]{r.want(path, KindInt32, AsEither)}
}

// Uint64 asks for numbers.
func (r *Requirements) Uint64(path string) Column[Values[uint64]] {
	return Column[Values[uint64]]{r.want(path, KindUint64, AsEither)}
}

// Int64 asks for numbers. Every integer can be had so.
func (r *Requirements) Int64(path string) Column[Values[int64]] {
	return Column[Values[int64]]{r.want(path, KindInt64, AsEither)}
}

// Double asks for numbers.
func (r *Requirements) Double(path string) Column[Values[float64]] {
	return Column[Values[float64]]{r.want(path, KindDouble, AsEither)}
}

// ID8 asks for span ids.
func (r *Requirements) ID8(path string) Column[Values[[8]byte]] {
	return Column[Values[[8]byte]]{r.want(path, KindID8, AsEither)}
}

// ID16 asks for trace ids.
func (r *Requirements) ID16(path string) Column[Values[[16]byte]] {
	return Column[Values[[16]byte]]{r.want(path, KindID16, AsEither)}
}

// Binary asks for bytes.
func (r *Requirements) Binary(path string) Column[Binary] {
	return Column[Binary]{r.want(path, KindBinary, AsEither)}
}

// Any asks for values of whatever type: an attribute, a body.
func (r *Requirements) Any(path string) Column[Any] {
	return Column[Any]{r.want(path, KindAny, AsEither)}
}

// Attributes asks for whole maps: `attributes`, `resource.attributes`.
func (r *Requirements) Attributes(path string) Column[Attributes] {
	return Column[Attributes]{r.want(path, KindAttributes, AsEither)}
}

// Sequence asks for a field of events, links or exemplars, or for a histogram's buckets, by the kind of its values.
func (r *Requirements) Sequence(path string, kind Kind) Column[Sequence] {
	return Column[Sequence]{r.request(wire.Request{Path: path, Kind: uint8(kind), Text: uint8(AsEither), Sequence: true})}
}

// RouteSet declares a set of routes, by the names that the stage's `routes:` has. Rows that take it go to all of them. A set
// without names is not a drop: its rows end at the pipeline's end, counted as unrouted.
func (r *Requirements) RouteSet(names ...string) RouteSet {
	if len(r.routeSets) >= wire.Unchanged {
		r.err = errors.New("more than 65,535 route sets")
		return Unchanged
	}
	r.routeSets = append(r.routeSets, names)
	return RouteSet(len(r.routeSets) - 1)
}

// Uses says that the plugin does this alone. Without it, it may keep, edit, route where it declared route sets, and decide by group where it
// asked for a column `group.…`. Whether it is flushed, and gives snapshots, follows from its having the methods.
func (r *Requirements) Uses(uses ...Use) {
	r.uses = []string{}
	for _, use := range uses {
		r.uses = append(r.uses, string(use))
	}
}

// Also says that the plugin does this, besides what it does without saying so: UseEmit, UseGroups, UseState.
func (r *Requirements) Also(uses ...Use) {
	for _, use := range uses {
		r.also = append(r.also, string(use))
	}
}

// Tables names the lookup tables that the plugin asks; one that the stage's `tables:` has not is refused.
func (r *Requirements) Tables(names ...string) { r.tables = append(r.tables, names...) }

// TickEvery has Tick called at this interval at most, in whole milliseconds. The plugin is a Ticker.
func (r *Requirements) TickEvery(interval time.Duration) { r.tick = interval }

// Keyed says that rows with equal values at this path always come to the same instance, so that it can keep something about them from call
// to call. An instance has the rows of many values.
func (r *Requirements) Keyed(path string) { r.scope, r.keyedBy = wire.ScopeKeyed, path }

// Single says that there is one instance for all rows of the stage.
func (r *Requirements) Single() { r.scope, r.keyedBy = wire.ScopeSingle, "" }

// check says what does not fit together.
func (r *Requirements) check(plugin Plugin) error {
	_, ticks := plugin.(Ticker)
	switch {
	case r.err != nil:
		return r.err
	case ticks && r.tick == 0:
		return errors.New("the plugin has a method `Tick`, and did not say how often it is called: `TickEvery`")
	case !ticks && r.tick != 0:
		return errors.New("the plugin asked for ticks, and has no method `Tick`")
	case r.tick < 0 || r.tick%time.Millisecond != 0:
		return fmt.Errorf("an interval of %s between ticks, expected whole milliseconds", r.tick)
	}
	_, err := milliseconds(r.tick)
	return err
}

func (r *Requirements) wire(plugin Plugin) wire.Requirements {
	answer := wire.Requirements{RouteSets: r.routeSets, Uses: slices.Clone(r.uses), Tables: r.tables, State: r.scope, KeyedBy: r.keyedBy}
	answer.TickMs = uint32(r.tick / time.Millisecond)
	if r.uses == nil {
		answer.Uses = []string{string(UseKeep), string(UseEdits)}
		if len(r.routeSets) > 0 {
			answer.Uses = append(answer.Uses, string(UseRoutes))
		}
		if slices.ContainsFunc(r.wanted, func(wanted wire.Request) bool { return strings.HasPrefix(wanted.Path, "group.") }) {
			answer.Uses = append(answer.Uses, string(UseGroups))
		}
	}
	more := slices.Clone(r.also)
	if _, ok := plugin.(Flusher); ok {
		more = append(more, "flush")
	}
	if _, ok := plugin.(Snapshotter); ok {
		more = append(more, "snapshot")
	}
	for _, use := range more {
		if !slices.Contains(answer.Uses, use) {
			answer.Uses = append(answer.Uses, use)
		}
	}
	for _, in := range r.inputs {
		columns := make([]wire.Request, len(in.columns))
		for at, number := range in.columns {
			columns[at] = r.wanted[number]
		}
		answer.Inputs = append(answer.Inputs, wire.Input{Signal: wire.Signal(in.signal), Columns: columns})
	}
	return answer
}

// Attribute gives the path of one attribute of a map: Attribute("attributes", "http.route") is `attributes["http.route"]`.
func Attribute(of, key string) string {
	return of + `["` + quoter.Replace(key) + `"]`
}

var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`)
