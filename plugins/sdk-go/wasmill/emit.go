package wasmill

import (
	"fmt"

	"wasmill/internal/wire"
)

// Emissions is new records that a plugin makes: metrics of spans, an alert as a log record. Say that it makes them: Also(UseEmit).
type Emissions struct {
	list []*Emission
}

// Emission is some new records of one signal. Fields that are not set have their default.
type Emission struct {
	signal Signal
	rows   int
	routes []RouteSet
	fields []wire.Field
	err    error
}

// Emit begins so many new records of a signal, at least one. They go where the stage's `emit_to:` says, unless they are routed.
func (e *Emissions) Emit(signal Signal, rows int) *Emission {
	emission := &Emission{signal: signal, rows: rows}
	if rows < 1 {
		emission.fail(fmt.Errorf("an emission of %d records, expected at least one", rows))
	}
	e.list = append(e.list, emission)
	return emission
}

// Emit begins so many new records of a signal, beside what becomes of the slice.
func (v *Verdict) Emit(signal Signal, rows int) *Emission { return v.emissions.Emit(signal, rows) }

// Set gives the records a field: a value for each, in order, or a single one for all. Paths are those of columns: `name`,
// `attributes["k"]`, `resource.attributes["service.name"]`. A Value suits attributes and bodies; a field of another type takes Numbers of
// that type, as NumbersOf(int32(9)).
func (e *Emission) Set(path string, values Data) *Emission {
	if values.Len() != e.rows && values.Len() != 1 {
		return e.fail(fmt.Errorf("`%s`: %d values for %d new records", path, values.Len(), e.rows))
	}
	block, err := EncodeBlock(values)
	if err != nil {
		return e.fail(fmt.Errorf("`%s`: %w", path, err))
	}
	e.fields = append(e.fields, wire.Field{Path: path, Columns: block})
	return e
}

// Source says for each record which row's resource and scope it has; one row, for all. Only in Process: elsewhere there are no rows.
func (e *Emission) Source(rows ...uint32) *Emission {
	return e.Set("source", Numbers[uint32]{Values: rows})
}

// Route sends all of the records to the routes of the set.
func (e *Emission) Route(set RouteSet) *Emission {
	e.routes = append(e.routes[:0], set)
	return e
}

// RouteEach sends each record to the routes of its own set; Unchanged is where the stage's `emit_to:` says.
func (e *Emission) RouteEach(sets []RouteSet) *Emission {
	if len(sets) != e.rows {
		return e.fail(fmt.Errorf("%d routes for %d new records", len(sets), e.rows))
	}
	e.routes = append(e.routes[:0], sets...)
	return e
}

func (e *Emission) fail(err error) *Emission {
	if e.err == nil {
		e.err = fmt.Errorf("new %s: %w", e.signal, err)
	}
	return e
}

// wire gives the emissions as they cross, or the first mistake in one of them.
func (e *Emissions) wire() ([]wire.Emission, error) {
	var answer []wire.Emission
	for _, emission := range e.list {
		if emission.err != nil {
			return nil, emission.err
		}
		answer = append(answer, wire.Emission{
			Signal: wire.Signal(emission.signal),
			Rows:   uint32(emission.rows),
			Routes: shortened(emission.routes),
			Fields: emission.fields,
		})
	}
	return answer, nil
}

// shortened gives routes as they cross: none where nothing is said, one where all are alike.
func shortened(routes []RouteSet) []uint16 {
	for _, route := range routes {
		if route != routes[0] {
			return valuesOf[uint16](bytesOf(routes))
		}
	}
	if len(routes) == 0 || routes[0] == Unchanged {
		return nil
	}
	return valuesOf[uint16](bytesOf(routes[:1]))
}
