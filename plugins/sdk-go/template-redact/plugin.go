// {{name}} masks e-mail addresses and card numbers in the text values of whole maps.
package main

import (
	"fmt"
	"slices"

	"wasmill"
)

// Config is the stage's `config:` block.
type Config struct {
	Mask *string  `json:"mask"`
	Maps []string `json:"maps,omitempty"`
}

// Redact is the plugin: it is made once for each instance, and called for thousands of rows at a time.
type Redact struct {
	mask    string
	paths   []string
	columns []wasmill.Column[wasmill.Attributes]
	// Kept from call to call for their memory.
	entries wasmill.Entries
	masked  wasmill.TextBuilder
}

func init() { wasmill.Export(New) }

// main is never called: the gateway calls what is exported.
func main() {}

var maps = []string{"attributes", "resource.attributes", "scope.attributes"}

// New says which columns the plugin is to be shown.
func New(config Config, needs *wasmill.Requirements) (wasmill.Plugin, error) {
	r := &Redact{mask: "****"}
	if config.Mask != nil {
		r.mask = *config.Mask
	}
	wanted := config.Maps
	if wanted == nil {
		wanted = []string{"attributes"}
	}
	needs.Signals(wasmill.Traces, wasmill.Metrics, wasmill.Logs)
	needs.Uses(wasmill.UseEdits)
	for _, path := range wanted {
		if !slices.Contains(maps, path) {
			return nil, fmt.Errorf("`maps`: expected `attributes`, `resource.attributes` or `scope.attributes`, found `%s`", path)
		}
		if !slices.Contains(r.paths, path) {
			r.paths = append(r.paths, path)
			r.columns = append(r.columns, needs.Attributes(path))
		}
	}
	return r, nil
}

// Process decides about some rows.
func (r *Redact) Process(slice *wasmill.Slice, verdict *wasmill.Verdict) error {
	masked := 0
	for i, path := range r.paths {
		masked += r.redact(path, slice.Attributes(r.columns[i]).Values(), verdict)
	}
	if masked > 0 {
		wasmill.Counter("masked", float64(masked))
	}
	return nil
}

// redact edits the entries of one map, and says how many.
func (r *Redact) redact(path string, values wasmill.Any, verdict *wasmill.Verdict) int {
	// Each distinct text is looked at once, wherever it is; most have nothing to hide.
	texts := values.Text()
	hidden, instead := wasmill.NewBitmap(texts.DistinctLen()), make([]string, texts.DistinctLen())
	for place := range instead {
		if masked, changed := Mask(texts.Distinct(place), r.mask); changed {
			hidden.Add(place)
			instead[place] = masked
		}
	}
	if hidden.Empty() {
		return 0
	}
	r.entries = r.entries[:0]
	r.masked.Reset()
	for entry, kind := range values.Kinds() {
		if wasmill.AnyKind(kind) != wasmill.AnyText {
			continue
		}
		if place := texts.Place(values.Place(entry)); hidden.Has(place) {
			r.entries = append(r.entries, uint32(entry))
			r.masked.Append(instead[place])
		}
	}
	verdict.Set(path, r.entries, &r.masked)
	return len(r.entries)
}
