package wasmill

import (
	"strconv"
	"unsafe"
)

// A block is little-endian, as WebAssembly is, and as the machines are that plugins are tested on: what lies in a block is looked
// at in place.
func init() {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) != 1 {
		panic("the data block of Wasmill is only read in place on little-endian machines")
	}
}

// fixed is what has the same bytes in memory as in a block.
type fixed interface {
	uint8 | uint16 | uint32 | int32 | uint64 | int64 | float64 | RouteSet | [8]byte | [16]byte
}

// bytesOf is the same memory as bytes.
func bytesOf[T fixed](values []T) []byte {
	var one T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(one)))
}

// valuesOf is the same memory as values. A buffer may start anywhere: one that does not suit the type is copied.
func valuesOf[T fixed](bytes []byte) []T {
	var one T
	size := int(unsafe.Sizeof(one))
	if len(bytes) < size {
		return nil
	}
	start := unsafe.Pointer(unsafe.SliceData(bytes))
	if uintptr(start)%unsafe.Alignof(one) != 0 {
		copied := make([]T, len(bytes)/size)
		copy(bytesOf(copied), bytes)
		return copied
	}
	return unsafe.Slice((*T)(start), len(bytes)/size)
}

// textOf is the same memory as text.
func textOf(bytes []byte) string { return unsafe.String(unsafe.SliceData(bytes), len(bytes)) }

func bytesOfText(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

func itoa(number int) string { return strconv.Itoa(number) }
