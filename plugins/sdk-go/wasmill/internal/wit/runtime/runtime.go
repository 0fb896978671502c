//go:build wasip1

// Package runtime gives memory to generated bindings: what the host hands in, and what they build to hand out.
package runtime

import (
	"unsafe"

	"wasmill/internal/wit/pin"
)

// What the host hands in lies in two slabs that are used in turn, and again and again: nothing is given to the garbage collector, which
// would run every few calls for the slices alone.
//
// The host asks for memory while it hands in the arguments of a call, and while the plugin calls it and gets an answer. The bindings
// call Unpin between the two, with the arguments in hand. So Unpin turns to the other slab, and what is in this one stays until
// the call after has its arguments: they are valid until the call ends.
var (
	slabs   [2]slab
	current int
)

// slab is memory that is given out from its start.
type slab struct {
	words []uint64
	used  int
	// What was full, and is kept until the slab is used anew: nothing else refers to it as long as the host fills it.
	full [][]uint64
}

const (
	// The first size, in words: the arguments of a call with a few hundred rows.
	wordsMin = 4 << 10
	// A slab of more words than this is given up when it turns out to be far too large.
	wordsKept = 128 << 10
)

func (s *slab) take(words int) unsafe.Pointer {
	if s.used+words > len(s.words) {
		if s.used > 0 {
			s.full = append(s.full, s.words)
		}
		s.words, s.used = make([]uint64, max(words, 2*len(s.words), wordsMin)), 0
	}
	taken := unsafe.Pointer(&s.words[s.used])
	s.used += words
	return taken
}

func (s *slab) reset() {
	if len(s.words) > wordsKept && s.used < len(s.words)/8 && len(s.full) == 0 {
		s.words = nil
	}
	clear(s.full)
	s.full, s.used = s.full[:0], 0
}

// Unpin is called when a call has its arguments.
func Unpin() {
	current = 1 - current
	slabs[current].reset()
}

// cabiRealloc is how the host gets memory of this program. All of it starts at a multiple of 8, so that the data block's parts do.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, newSize uint32) unsafe.Pointer {
	taken := slabs[current].take(max(int(newSize+7)/8, 1))
	if oldSize > 0 {
		copy(unsafe.Slice((*byte)(taken), newSize), unsafe.Slice((*byte)(old), oldSize))
	}
	return taken
}

// Allocate gives memory that stays until the pinner lets it go.
func Allocate(pinner *pin.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	memory := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(memory)
	return memory
}
