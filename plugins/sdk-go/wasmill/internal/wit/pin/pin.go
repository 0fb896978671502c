// Package pin stands in for the Pinner of package runtime in the generated bindings.
//
// Go does not move what it allocated, and one thread runs at a time: what is handed to the host must stay reachable until the host is
// done with it, and nothing more. The Pinner of package runtime costs microseconds for each call of a host function.
package pin

import "unsafe"

// Pinner keeps memory until it is told to let go.
type Pinner struct {
	kept []unsafe.Pointer
}

// Pin keeps the memory at the pointer; nil is nothing to keep.
func (p *Pinner) Pin(pointer unsafe.Pointer) { p.kept = append(p.kept, pointer) }

// Unpin lets all of it go.
func (p *Pinner) Unpin() {
	clear(p.kept)
	p.kept = p.kept[:0]
}
