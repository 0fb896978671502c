// {{name}} says which team each row belongs to, by its service.
package main

import (
	"slices"

	"wasmill"
)

// Config is the stage's `config:` block.
type Config struct {
	// The team of each service.
	Teams map[string]string `json:"teams"`
	// The team of all others; nil: they stay as they are.
	Default *string `json:"default"`
}

// Enrich is the plugin: it is made once for each instance, and called for thousands of rows at a time.
type Enrich struct {
	service wasmill.Column[wasmill.Text]
	// The distinct teams, and for each service the number of its own.
	teams    []string
	teamOf   map[string]uint32
	fallback uint32
}

// nobody is the number of no team.
const nobody = ^uint32(0)

func init() { wasmill.Export(New) }

// main is never called: the gateway calls what is exported.
func main() {}

// New says which columns the plugin is to be shown.
func New(config Config, needs *wasmill.Requirements) (wasmill.Plugin, error) {
	needs.Signals(wasmill.Traces, wasmill.Metrics, wasmill.Logs)
	needs.Uses(wasmill.UseEdits)
	service := needs.Dictionary(wasmill.Attribute("resource.attributes", "service.name"))
	e := &Enrich{service: service, teamOf: map[string]uint32{}, fallback: nobody}
	for service, team := range config.Teams {
		e.teamOf[service] = e.number(team)
	}
	if config.Default != nil {
		e.fallback = e.number(*config.Default)
	}
	return e, nil
}

func (e *Enrich) number(team string) uint32 {
	at := slices.Index(e.teams, team)
	if at < 0 {
		at = len(e.teams)
		e.teams = append(e.teams, team)
	}
	return uint32(at)
}

// Process decides about some rows.
func (e *Enrich) Process(slice *wasmill.Slice, verdict *wasmill.Verdict) error {
	// Asked once for each distinct service, whatever the number of rows.
	numbers := wasmill.MapText(slice.Text(e.service), e.fallback, func(service string) uint32 {
		if team, known := e.teamOf[service]; known {
			return team
		}
		return e.fallback
	})
	rows := wasmill.BitmapOf(slice.Rows(), func(row int) bool { return numbers[row] != nobody })
	// A value for each of these rows, as the number of its team.
	keys := slices.DeleteFunc(numbers, func(number uint32) bool { return number == nobody })
	verdict.Set(`attributes["team"]`, rows, wasmill.Dictionary{Keys: keys, Values: e.teams})
	return nil
}
