package wasmilltest

import (
	"time"

	"wasmill"
	"wasmill/internal/host"
)

// Table is what a lookup table has: for each key its fields, with values as those of Slice.With.
type Table map[string]map[string]any

// Numbers of the contract's failures.
const (
	denied  = 0
	unknown = 1
	invalid = 2
)

// answers is the tables and the state of a plugin under test.
type answers struct {
	tables map[string]Table
	state  map[string][]byte
	sums   map[string]int64
}

// Table gives the plugin a lookup table. One that it did not name in Tables fails the test.
func (p *Plugin) Table(name string, table Table) *Plugin {
	p.t.Helper()
	for _, named := range p.needs.Tables {
		if named == name {
			p.answers.tables[name] = table
			return p
		}
	}
	p.t.Fatalf("the plugin asked for the tables %q, not for `%s`", p.needs.Tables, name)
	return p
}

// State gives what the plugin put into the host's state, by key; times to live are not looked at.
func (p *Plugin) State() map[string][]byte { return p.answers.state }

// Sums gives what the plugin added up in the host's state, by key.
func (p *Plugin) Sums() map[string]int64 { return p.answers.sums }

// Tick lets time pass, and gives the records that the plugin makes.
func (p *Plugin) Tick(now time.Time) ([]Emission, error) {
	host.Tests = p.answers
	list, err := p.stage.Tick(uint64(now.UnixNano()))
	return emissionsOf(p.t, p.needs, list), err
}

// Flush tells the plugin that it goes, and gives the records that it makes.
func (p *Plugin) Flush() ([]Emission, error) {
	host.Tests = p.answers
	list, err := p.stage.Flush()
	return emissionsOf(p.t, p.needs, list), err
}

// Snapshot gives what the plugin holds, as the host would hand it on.
func (p *Plugin) Snapshot() ([]byte, error) { return p.stage.Snapshot() }

// Restore gives the plugin what another one's Snapshot gave.
func (p *Plugin) Restore(snapshot []byte) error { return p.stage.Restore(snapshot) }

// key is a key of a table or of state. Nothing is done about a row without one.
type key struct {
	text string
	ok   bool
}

// keysOf gives a column of text or bytes as keys.
func keysOf(block []byte) ([]key, int) {
	read, err := wasmill.ReadBlock(block)
	if err != nil || read.Len() != 1 {
		return nil, invalid
	}
	column := read.Column(0)
	keys := make([]key, column.Len())
	for row := range keys {
		switch value := cell(column, row).(type) {
		case string:
			keys[row] = key{value, true}
		case []byte:
			keys[row] = key{string(value), true}
		case nil:
		default:
			return nil, invalid
		}
	}
	return keys, done
}

const done = -1

func (a *answers) Find(table string, keys []byte, fields []string) ([]byte, int) {
	found, ok := a.tables[table]
	if !ok {
		return nil, denied
	}
	asked, code := keysOf(keys)
	if code != done {
		return nil, code
	}
	var columns []wasmill.Data
	for _, field := range fields {
		values, known := make([]any, len(asked)), len(found) == 0
		for _, entry := range found {
			_, has := entry[field]
			known = known || has
		}
		if !known {
			return nil, unknown
		}
		var column wasmill.AnyBuilder
		text := true
		for row, key := range asked {
			if key.ok {
				values[row] = found[key.text][field]
			}
			column.Append(anyOf(values[row]))
			if _, is := values[row].(string); values[row] != nil && !is {
				text = false
			}
		}
		if text {
			columns = append(columns, textOf(values, wasmill.AsEither))
		} else {
			columns = append(columns, &column)
		}
	}
	return encoded(columns...)
}

func (a *answers) Get(keys []byte) ([]byte, int) {
	asked, code := keysOf(keys)
	if code != done {
		return nil, code
	}
	column := new(wasmill.BinaryBuilder)
	for _, key := range asked {
		if value, ok := a.state[key.text]; ok && key.ok {
			column.Append(value)
		} else {
			column.AppendNone()
		}
	}
	return encoded(column)
}

func (a *answers) Put(keys, values []byte, _ uint32) int {
	asked, code := keysOf(keys)
	if code != done {
		return code
	}
	given, ok := onlyColumn(values, wasmill.KindBinary, len(asked))
	if !ok {
		return invalid
	}
	for row, key := range asked {
		if value, ok := given.Binary().At(min(row, given.Len()-1)); ok && key.ok {
			a.state[key.text] = append([]byte{}, value...)
		} else if key.ok {
			delete(a.state, key.text)
		}
	}
	return done
}

func (a *answers) Add(keys, deltas []byte, _ uint32) ([]byte, int) {
	asked, code := keysOf(keys)
	if code != done {
		return nil, code
	}
	given, ok := onlyColumn(deltas, wasmill.KindInt64, len(asked))
	if !ok {
		return nil, invalid
	}
	sums, summed := make([]int64, len(asked)), wasmill.NewBitmap(len(asked))
	for row, key := range asked {
		if delta, ok := given.Int64().At(min(row, given.Len()-1)); ok && key.ok {
			a.sums[key.text] += delta
			sums[row] = a.sums[key.text]
			summed.Add(row)
		}
	}
	return encoded(wasmill.Numbers[int64]{Values: sums, Valid: summed})
}

// onlyColumn gives the one column of a block, of that kind, with a value for each of so many rows or one for all.
func onlyColumn(block []byte, kind wasmill.Kind, rows int) (column wasmill.View, ok bool) {
	read, err := wasmill.ReadBlock(block)
	if err != nil || read.Len() != 1 || read.Column(0).Kind() != kind {
		return column, false
	}
	column = read.Column(0)
	return column, column.Len() == rows || column.Len() == 1
}

func encoded(columns ...wasmill.Data) ([]byte, int) {
	block, err := wasmill.EncodeBlock(columns...)
	if err != nil {
		return nil, invalid
	}
	return block, done
}
