// Counts rows by the owner of their service, and tells: ../README.md says what every language's plugin does.
package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wasmill"
)

// Config is the stage's `config:` block.
type Config struct {
	// The name of the lookup table.
	Table string `json:"table"`
	// Milliseconds between two ticks.
	EveryMs *uint32 `json:"every_ms"`
}

const (
	// The service whose rows are refused.
	refused = "boom"
	// Milliseconds between two ticks where the config does not say.
	everyMs = 10_000
	// The least that the host ticks at.
	everyMsMin = 10
	info       = int32(9)
	sum        = int32(2)
	histogram  = int32(3)
	cumulative = int32(2)
)

// Upper bounds of rows, of the histogram over owners.
var bounds = []float64{1, 10, 100}

// Census is the plugin.
type Census struct {
	table   string
	service wasmill.Column[wasmill.Text]
	// Rows by owner; those without one are of the empty text.
	rows map[string]int64
	// The sum that the last tick told.
	told int64
}

// The rows of a service in one slice.
type service struct {
	name string
	rows int64
	// What the table has.
	owner            string
	tier             int64
	isOwned, hasTier bool
	// The sum that the host keeps.
	seen   int64
	isSeen bool
}

func init() { wasmill.Export(New) }

func main() {}

// New says what the plugin is to be shown.
func New(config Config, needs *wasmill.Requirements) (wasmill.Plugin, error) {
	every := uint32(everyMs)
	if config.EveryMs != nil {
		every = *config.EveryMs
	}
	if every < everyMsMin {
		return nil, fmt.Errorf("`every_ms`: expected %d or more, found %d", everyMsMin, every)
	}
	needs.Signals(wasmill.Traces, wasmill.Logs)
	needs.Uses(wasmill.UseEdits, wasmill.UseEmit, wasmill.UseState)
	needs.Single()
	needs.Tables(config.Table)
	needs.TickEvery(time.Duration(every) * time.Millisecond)
	column := needs.Dictionary(wasmill.Attribute("resource.attributes", "service.name"))
	return &Census{table: config.Table, service: column, rows: map[string]int64{}}, nil
}

// Process counts rows, and says whose they are.
func (c *Census) Process(slice *wasmill.Slice, verdict *wasmill.Verdict) error {
	services, ofRow := servicesOf(slice.Text(c.service))
	if slices.ContainsFunc(services, func(one *service) bool { return one.name == refused }) {
		return fmt.Errorf("the service is `%s`: its rows are refused", refused)
	}
	if err := c.lookUp(services); err != nil {
		return err
	}
	edit(ofRow, verdict)
	c.count(ofRow, verdict)
	// Metrics are for whoever operates the gateway: the plugin goes on where they are not taken.
	wasmill.Counter("census_rows", float64(slice.Rows()), wasmill.Label{Name: "signal", Value: slice.Signal().String()})
	wasmill.Gauge("census_owners", float64(len(c.rows)))
	wasmill.Histogram("census_slice_rows", float64(slice.Rows()))
	return nil
}

// servicesOf gives the services in the order of their first rows, and each row's; nil where it has none.
func servicesOf(column wasmill.Text) (services []*service, ofRow []*service) {
	ofRow = make([]*service, column.Len())
	for row, name := range column.All() {
		place := slices.IndexFunc(services, func(one *service) bool { return one.name == name })
		if place < 0 {
			place = len(services)
			services = append(services, &service{name: name})
		}
		services[place].rows++
		ofRow[row] = services[place]
	}
	return services, ofRow
}

// lookUp fills in what the table and the host have of each service.
func (c *Census) lookUp(services []*service) error {
	if len(services) == 0 {
		return nil
	}
	names, rows := make(wasmill.Texts, len(services)), make([]int64, len(services))
	for at, one := range services {
		names[at], rows[at] = one.name, one.rows
	}
	found, err := wasmill.Lookup(c.table, names, "owner", "tier")
	if err != nil {
		return err
	}
	owners, tiers := found.Column(0).Text(), found.Column(1).Int64()
	sums, err := wasmill.StateAdd(names, wasmill.NumbersOf(rows...), 0)
	if err != nil {
		return err
	}
	for at, one := range services {
		one.owner, one.isOwned = owners.At(at)
		one.tier, one.hasTier = tiers.At(at)
		one.seen, one.isSeen = sums.At(at)
	}
	return nil
}

func edit(ofRow []*service, verdict *wasmill.Verdict) {
	owned, counted := wasmill.NewBitmap(len(ofRow)), wasmill.NewBitmap(len(ofRow))
	var entries wasmill.AttributesBuilder
	var sums []int64
	for row, one := range ofRow {
		if one == nil {
			continue
		}
		if one.isOwned {
			owned.Add(row)
			entries.Entry("owner", wasmill.TextValue(one.owner))
			if one.hasTier {
				entries.Entry("tier", wasmill.IntValue(one.tier))
			}
			entries.EndRow()
		}
		if one.isSeen {
			counted.Add(row)
			sums = append(sums, one.seen)
		}
	}
	verdict.Merge("attributes", owned, &entries)
	verdict.Set(wasmill.Attribute("attributes", "seen"), counted, wasmill.NumbersOf(sums...))
	verdict.Remove(wasmill.Attribute("attributes", "debug"), wasmill.AllRows)
}

// count counts rows by owner, and tells of those that come for the first time.
func (c *Census) count(ofRow []*service, verdict *wasmill.Verdict) {
	var firsts []uint32
	var bodies wasmill.Texts
	for row, one := range ofRow {
		owner := ""
		if one != nil {
			owner = one.owner
		}
		if _, known := c.rows[owner]; !known {
			// What the table answered goes with the call.
			owner = strings.Clone(owner)
			firsts = append(firsts, uint32(row))
			bodies = append(bodies, "the first row of `"+owner+"`")
		}
		c.rows[owner]++
	}
	if len(firsts) > 0 {
		news := verdict.Emit(wasmill.Logs, len(firsts)).Source(firsts...)
		news.Set("body", bodies).Set("severity_number", wasmill.NumbersOf(info))
	}
}

func (c *Census) sum() (rows int64) {
	for _, of := range c.rows {
		rows += of
	}
	return rows
}

// Tick tells how many rows there were, where that is not what was told last.
func (c *Census) Tick(now time.Time, out *wasmill.Emissions) error {
	rows := c.sum()
	if rows == c.told {
		return nil
	}
	c.told = rows
	record := out.Emit(wasmill.Logs, 1)
	record.Set("body", wasmill.TextValue(fmt.Sprintf("%d rows", rows))).Set("severity_number", wasmill.NumbersOf(info))
	record.Set("time_unix_nano", wasmill.NumbersOf(uint64(now.UnixNano())))
	record.Set(wasmill.Attribute("attributes", "rows"), wasmill.IntValue(rows))
	record.Set(wasmill.Attribute("attributes", "owned"), wasmill.DoubleValue(float64(rows-c.rows[""])/float64(rows)))
	return nil
}

// Flush tells what was counted of each owner.
func (c *Census) Flush(out *wasmill.Emissions) error {
	if len(c.rows) == 0 {
		return nil
	}
	clock, err := wasmill.Clock()
	if err != nil {
		return err
	}
	now, owners := uint64(clock.UnixNano()), slices.Sorted(maps.Keys(c.rows))
	var names wasmill.TextBuilder
	counts, buckets := make([]int64, len(owners)), make([]uint64, len(bounds)+1)
	for at, owner := range owners {
		counts[at] = c.rows[owner]
		if owner == "" {
			names.AppendNone()
		} else {
			names.Append(owner)
		}
		bucket, _ := slices.BinarySearch(bounds, float64(counts[at]))
		buckets[bucket]++
	}
	points := out.Emit(wasmill.Metrics, len(owners))
	points.Set("scope.name", wasmill.TextValue("census")).Set("metric.name", wasmill.TextValue("census.rows"))
	points.Set("metric.unit", wasmill.TextValue("{row}")).Set("metric.type", wasmill.NumbersOf(sum))
	points.Set("metric.is_monotonic", wasmill.BooleanValue(true)).Set("time_unix_nano", wasmill.NumbersOf(now))
	points.Set("metric.aggregation_temporality", wasmill.NumbersOf(cumulative))
	points.Set("value_int", wasmill.NumbersOf(counts...)).Set(wasmill.Attribute("attributes", "owner"), &names)

	sizes := out.Emit(wasmill.Metrics, 1)
	sizes.Set("scope.name", wasmill.TextValue("census")).Set("metric.name", wasmill.TextValue("census.owner_rows"))
	sizes.Set("metric.type", wasmill.NumbersOf(histogram)).Set("time_unix_nano", wasmill.NumbersOf(now))
	sizes.Set("count", wasmill.NumbersOf(uint64(len(owners)))).Set("sum", wasmill.DoubleValue(float64(c.sum())))
	sizes.Set("bucket_counts", list(buckets)).Set("explicit_bounds", list(bounds))
	return nil
}

// list is a column of one row, which has these numbers.
func list[T wasmill.Fixed](values []T) wasmill.Sequences {
	return wasmill.Sequences{Offsets: []uint32{0, uint32(len(values))}, Values: wasmill.NumbersOf(values...)}
}

// Snapshot gives the rows of each owner.
func (c *Census) Snapshot() ([]wasmill.Entry, error) {
	var entries []wasmill.Entry
	for _, owner := range slices.Sorted(maps.Keys(c.rows)) {
		value := binary.LittleEndian.AppendUint64(nil, uint64(c.rows[owner]))
		entries = append(entries, wasmill.Entry{Key: []byte(owner), Value: value})
	}
	return entries, nil
}

// Restore goes on from there.
func (c *Census) Restore(entries []wasmill.Entry) error {
	wasmill.Log(wasmill.Info, "%d owners are taken over", len(entries))
	for _, entry := range entries {
		if len(entry.Value) != 8 {
			return fmt.Errorf("`%s` has %d bytes, expected 8", entry.Key, len(entry.Value))
		}
		c.rows[string(entry.Key)] += int64(binary.LittleEndian.Uint64(entry.Value))
	}
	return nil
}
