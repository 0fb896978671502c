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

// keysOf gives a column of text or bytes as keys.
func keysOf(block []byte) ([]string, int) {
	read, err := wasmill.ReadBlock(block)
	if err != nil || read.Len() != 1 {
		return nil, invalid
	}
	column := read.Column(0)
	keys := make([]string, column.Len())
	for row := range keys {
		switch value := cell(column, row).(type) {
		case string:
			keys[row] = value
		case []byte:
			keys[row] = string(value)
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
	names, code := keysOf(keys)
	if code != done {
		return nil, code
	}
	var columns []wasmill.Data
	for _, field := range fields {
		values, known := make([]any, len(names)), len(found) == 0
		for _, entry := range found {
			_, has := entry[field]
			known = known || has
		}
		if !known {
			return nil, unknown
		}
		var column wasmill.AnyBuilder
		text := true
		for row, name := range names {
			values[row] = found[name][field]
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
	names, code := keysOf(keys)
	if code != done {
		return nil, code
	}
	column := new(wasmill.BinaryBuilder)
	for _, name := range names {
		if value, ok := a.state[name]; ok {
			column.Append(value)
		} else {
			column.AppendNone()
		}
	}
	return encoded(column)
}

func (a *answers) Put(keys, values []byte, _ uint32) int {
	names, code := keysOf(keys)
	if code != done {
		return code
	}
	block, err := wasmill.ReadBlock(values)
	if err != nil || block.Len() != 1 || block.Column(0).Len() != len(names) || block.Column(0).Kind() != wasmill.KindBinary {
		return invalid
	}
	for row, name := range names {
		if value, ok := block.Column(0).Binary().At(row); ok {
			a.state[name] = append([]byte{}, value...)
		} else {
			delete(a.state, name)
		}
	}
	return done
}

func (a *answers) Add(keys, deltas []byte, _ uint32) ([]byte, int) {
	names, code := keysOf(keys)
	if code != done {
		return nil, code
	}
	block, err := wasmill.ReadBlock(deltas)
	if err != nil || block.Len() != 1 || block.Column(0).Len() != len(names) || block.Column(0).Kind() != wasmill.KindInt64 {
		return nil, invalid
	}
	sums := make([]int64, len(names))
	for row, name := range names {
		delta, _ := block.Column(0).Int64().At(row)
		a.sums[name] += delta
		sums[row] = a.sums[name]
	}
	return encoded(wasmill.NumbersOf(sums...))
}

func encoded(columns ...wasmill.Data) ([]byte, int) {
	block, err := wasmill.EncodeBlock(columns...)
	if err != nil {
		return nil, invalid
	}
	return block, done
}
