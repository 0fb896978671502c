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
	answer := contract.Requirements{State: contract.MakeStateScopeStateless(), RouteSets: needs.RouteSets, Uses: needs.Uses}
	for _, input := range needs.Inputs {
		columns := make([]contract.Request, len(input.Columns))
		for at, column := range input.Columns {
			columns[at] = contract.Request{Path: column.Path, Kind: column.Kind, Text: column.Text}
		}
		answer.Inputs = append(answer.Inputs, contract.Input{Signal: uint8(input.Signal), Columns: columns})
	}
	return answer
}

// Process decides about a slice.
func Process(slice contract.Slice) types.Result[contract.Verdict, string] {
	if running == nil {
		return types.Err[contract.Verdict]("`process` was called before `init`")
	}
	verdict, err := running.Process(wire.Slice{Signal: wire.Signal(slice.Signal), Rows: slice.Rows, Columns: slice.Columns})
	if err != nil {
		return types.Err[contract.Verdict](err.Error())
	}
	answer := contract.Verdict{Keep: keep(verdict), Route: route(verdict.Routes)}
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
	}
	return contract.MakeKeepAll()
}

func route(routes []uint16) contract.Route {
	switch len(routes) {
	case 0:
		return contract.MakeRouteUnchanged()
	case 1:
		return contract.MakeRouteAll(routes[0])
	}
	return contract.MakeRouteRows(unsafe.Slice((*byte)(unsafe.Pointer(&routes[0])), len(routes)*2))
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

// Tick is never called: the SDK asks for no ticks.
func Tick(uint64) types.Result[[]contract.Emission, string] {
	return types.Ok[[]contract.Emission, string](nil)
}

// Flush tells the plugin that it goes.
func Flush() types.Result[[]contract.Emission, string] {
	if running == nil {
		return types.Err[[]contract.Emission]("`flush` was called before `init`")
	}
	if err := running.Flush(); err != nil {
		return types.Err[[]contract.Emission](err.Error())
	}
	return types.Ok[[]contract.Emission, string](nil)
}

// Snapshot is never called: the SDK keeps no state in the host.
func Snapshot() types.Result[[]byte, string] { return types.Ok[[]byte, string](nil) }

// Restore is never called.
func Restore([]byte) types.Result[types.Unit, string] {
	return types.Ok[types.Unit, string](types.Unit{})
}
