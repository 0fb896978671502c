//go:build wasip1

// Package stage has the functions that the component exports, as the generated bindings call them.
package stage

import (
	"unsafe"

	contract "wasmill/internal/bindings/imports/wasmill_plugin_types"
	"wasmill/internal/wire"
	"wasmill/internal/wit/types"
)

// running is the one plugin of an instance.
var running wire.Stage

// Init starts the plugin.
func Init(config string) types.Result[contract.Requirements, string] {
	if wire.Start == nil {
		return types.Err[contract.Requirements]("this program has no plugin: call `wasmill.Export` in a function `init` of package main")
	}
	started, err := wire.Start(config)
	if err != nil {
		return types.Err[contract.Requirements](err.Error())
	}
	running = started
	return types.Ok[contract.Requirements, string](requirements(started.Requirements()))
}

func requirements(needs wire.Requirements) contract.Requirements {
	answer := contract.Requirements{
		State:     scope(needs),
		RouteSets: needs.RouteSets,
		Uses:      needs.Uses,
		Tables:    needs.Tables,
		TickMs:    needs.TickMs,
	}
	for _, input := range needs.Inputs {
		columns := make([]contract.Request, len(input.Columns))
		for at, column := range input.Columns {
			columns[at] = contract.Request{Path: column.Path, Kind: column.Kind, Text: column.Text}
		}
		answer.Inputs = append(answer.Inputs, contract.Input{Signal: uint8(input.Signal), Columns: columns})
	}
	return answer
}

func scope(needs wire.Requirements) contract.StateScope {
	switch needs.State {
	case wire.ScopeKeyed:
		return contract.MakeStateScopeKeyed(needs.KeyedBy)
	case wire.ScopeSingle:
		return contract.MakeStateScopeSingle()
	}
	return contract.MakeStateScopeStateless()
}

// Process decides about a slice.
func Process(slice contract.Slice) types.Result[contract.Verdict, string] {
	if running == nil {
		return types.Err[contract.Verdict]("`process` was called before `init`")
	}
	verdict, err := running.Process(wire.Slice{
		Signal:  wire.Signal(slice.Signal),
		Rows:    slice.Rows,
		Groups:  slice.Groups,
		Columns: slice.Columns,
	})
	if err != nil {
		return types.Err[contract.Verdict](err.Error())
	}
	answer := contract.Verdict{Keep: keep(verdict), Route: route(verdict.Routes, verdict.RoutesGroups), Emit: emissions(verdict.Emit)}
	if len(verdict.Edits) > 0 {
		answer.Edits = make([]contract.Edit, len(verdict.Edits))
		for at := range verdict.Edits {
			answer.Edits[at] = edit(&verdict.Edits[at])
		}
	}
	return types.Ok[contract.Verdict, string](answer)
}

func keep(verdict *wire.Verdict) contract.Keep {
	switch verdict.Keep {
	case wire.KeepNone:
		return contract.MakeKeepNone()
	case wire.KeepRows:
		return contract.MakeKeepRows(verdict.Kept)
	case wire.KeepGroups:
		return contract.MakeKeepGroups(verdict.Kept)
	}
	return contract.MakeKeepAll()
}

func route(routes []uint16, groups bool) contract.Route {
	switch len(routes) {
	case 0:
		return contract.MakeRouteUnchanged()
	case 1:
		return contract.MakeRouteAll(routes[0])
	}
	each := unsafe.Slice((*byte)(unsafe.Pointer(&routes[0])), len(routes)*2)
	if groups {
		return contract.MakeRouteGroups(each)
	}
	return contract.MakeRouteRows(each)
}

func emissions(list []wire.Emission) []contract.Emission {
	var answer []contract.Emission
	for _, one := range list {
		emission := contract.Emission{Signal: uint8(one.Signal), Rows: one.Rows, Route: route(one.Routes, false)}
		for _, field := range one.Fields {
			emission.Fields = append(emission.Fields, contract.Field{Path: field.Path, Values: field.Columns})
		}
		answer = append(answer, emission)
	}
	return answer
}

func edit(edit *wire.Edit) contract.Edit {
	answer := contract.Edit{Path: edit.Path, Target: contract.MakeTargetAll(), Change: contract.MakeChangeRemove()}
	switch edit.Target {
	case wire.TargetRows:
		answer.Target = contract.MakeTargetRows(edit.Rows)
	case wire.TargetIndices:
		answer.Target = contract.MakeTargetIndices(edit.Rows)
	case wire.TargetEntries:
		answer.Target = contract.MakeTargetEntries(edit.Rows)
	}
	switch edit.Change {
	case wire.Set:
		answer.Change = contract.MakeChangeSet(edit.Columns)
	case wire.Merge:
		answer.Change = contract.MakeChangeMerge(edit.Columns)
	}
	return answer
}

// Tick lets time pass.
func Tick(now uint64) types.Result[[]contract.Emission, string] {
	if running == nil {
		return types.Err[[]contract.Emission]("`tick` was called before `init`")
	}
	return emitted(running.Tick(now))
}

// Flush tells the plugin that it goes.
func Flush() types.Result[[]contract.Emission, string] {
	if running == nil {
		return types.Err[[]contract.Emission]("`flush` was called before `init`")
	}
	return emitted(running.Flush())
}

func emitted(list []wire.Emission, err error) types.Result[[]contract.Emission, string] {
	if err != nil {
		return types.Err[[]contract.Emission](err.Error())
	}
	return types.Ok[[]contract.Emission, string](emissions(list))
}

// Snapshot gives what the plugin holds.
func Snapshot() types.Result[[]byte, string] {
	if running == nil {
		return types.Err[[]byte]("`snapshot` was called before `init`")
	}
	block, err := running.Snapshot()
	if err != nil {
		return types.Err[[]byte](err.Error())
	}
	return types.Ok[[]byte, string](block)
}

// Restore hands it to the plugin that comes after.
func Restore(entries []byte) types.Result[types.Unit, string] {
	if running == nil {
		return types.Err[types.Unit]("`restore` was called before `init`")
	}
	if err := running.Restore(entries); err != nil {
		return types.Err[types.Unit](err.Error())
	}
	return types.Ok[types.Unit, string](types.Unit{})
}
