// {{name}} sends rows to routes by the value of an attribute.
package main

import (
	"maps"
	"slices"

	"wasmill"
)

// Config is the stage's `config:` block.
type Config struct {
	Attribute string `json:"attribute"`
	// The route of each value.
	Routes map[string]string `json:"routes"`
	// The route of all other rows; nil: they stay as they were.
	Default *string `json:"default"`
}

// Route is the plugin: it is made once for each instance, and called for thousands of rows at a time.
type Route struct {
	column   wasmill.Column[wasmill.Text]
	routes   map[string]wasmill.RouteSet
	fallback wasmill.RouteSet
}

func init() { wasmill.Export(New) }

// main is never called: the gateway calls what is exported.
func main() {}

// New says which columns the plugin is to be shown, and where it may send rows.
func New(config Config, needs *wasmill.Requirements) (wasmill.Plugin, error) {
	needs.Signals(wasmill.Traces, wasmill.Metrics, wasmill.Logs)
	needs.Uses(wasmill.UseRoutes)
	r := &Route{
		column:   needs.Dictionary(wasmill.Attribute("attributes", config.Attribute)),
		routes:   map[string]wasmill.RouteSet{},
		fallback: wasmill.Unchanged,
	}
	// A set for each distinct route: rows are sent to sets. What is declared must be the same each time, so the values are sorted.
	sets := map[string]wasmill.RouteSet{}
	setOf := func(route string) wasmill.RouteSet {
		if _, declared := sets[route]; !declared {
			sets[route] = needs.RouteSet(route)
		}
		return sets[route]
	}
	for _, value := range slices.Sorted(maps.Keys(config.Routes)) {
		r.routes[value] = setOf(config.Routes[value])
	}
	if config.Default != nil {
		r.fallback = setOf(*config.Default)
	}
	return r, nil
}

// Process decides about some rows.
func (r *Route) Process(slice *wasmill.Slice, verdict *wasmill.Verdict) error {
	// Asked once for each distinct value, whatever the number of rows.
	sets := wasmill.MapText(slice.Text(r.column), r.fallback, func(value string) wasmill.RouteSet {
		if set, known := r.routes[value]; known {
			return set
		}
		return r.fallback
	})
	verdict.RouteEach(sets)
	return nil
}
