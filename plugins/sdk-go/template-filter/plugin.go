// {{name}} drops the rows whose attribute has one of some values.
package main

import (
	"slices"

	"wasmill"
)

// Config is the stage's `config:` block.
type Config struct {
	Attribute string   `json:"attribute"`
	Drop      []string `json:"drop"`
}

// Filter is the plugin: it is made once for each instance, and called for thousands of rows at a time.
type Filter struct {
	config Config
	column wasmill.Column[wasmill.Text]
}

func init() { wasmill.Export(New) }

// main is never called: the gateway calls what is exported.
func main() {}

// New says which columns the plugin is to be shown.
func New(config Config, needs *wasmill.Requirements) (wasmill.Plugin, error) {
	needs.Signals(wasmill.Traces, wasmill.Metrics, wasmill.Logs)
	needs.Uses(wasmill.UseKeep)
	column := needs.Dictionary(wasmill.Attribute("attributes", config.Attribute))
	return &Filter{config, column}, nil
}

// Process decides about some rows.
func (f *Filter) Process(slice *wasmill.Slice, verdict *wasmill.Verdict) error {
	// Asked once for each distinct value, whatever the number of rows.
	dropped := slice.Text(f.column).Matches(func(value string) bool {
		return slices.Contains(f.config.Drop, value)
	})
	verdict.Drop(dropped)
	if count := dropped.Count(); count > 0 {
		wasmill.Counter("dropped", float64(count), wasmill.Label{Name: "attribute", Value: f.config.Attribute})
	}
	return nil
}
