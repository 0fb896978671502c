package wasmill

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Data is one column of new values, for Verdict.Set: a Value for all targets, or one for each as Texts, Dictionary, Booleans,
// Numbers, Binaries, Sequences, *TextBuilder, *AnyBuilder or *AttributesBuilder.
type Data interface {
	// Len is the number of rows.
	Len() int
	write(b *blockBuilder)
}

// EncodeBlock writes columns as they cross. It fails when they are more than a block can hold.
func EncodeBlock(columns ...Data) ([]byte, error) {
	var b blockBuilder
	for _, column := range columns {
		column.write(&b)
	}
	return b.finish()
}

// blockBuilder collects nodes in order, each before its children, and lays them out in the end.
type blockBuilder struct {
	nodes []nodeParts
}

type nodeParts struct {
	kind           Kind
	rows, children int
	// validity, offsets, values; nil: no such part.
	parts [3][]byte
}

func (b *blockBuilder) add(kind Kind, rows, children int, validity *Bitmap, offsets, values []byte) {
	n := nodeParts{kind: kind, rows: rows, children: children, parts: [3][]byte{nil, offsets, values}}
	if validity != nil && !validity.Full() {
		n.parts[0] = validity.bytes()
	}
	b.nodes = append(b.nodes, n)
}

func (b *blockBuilder) finish() ([]byte, error) {
	head := headerBytes + len(b.nodes)*nodeBytes
	size := head
	for _, n := range b.nodes {
		for _, part := range n.parts {
			size = align(size) + len(part)
		}
	}
	if len(b.nodes) > nodesMax || size > math.MaxInt32 {
		return nil, fmt.Errorf("a block of %d bytes and %d nodes, at most %d and %d can be", size, len(b.nodes), math.MaxInt32, nodesMax)
	}
	out := make([]byte, size)
	binary.LittleEndian.PutUint32(out, uint32(len(b.nodes)))
	binary.LittleEndian.PutUint32(out[4:], nodeBytes)
	end := head
	for number, n := range b.nodes {
		field := out[headerBytes+number*nodeBytes:]
		binary.LittleEndian.PutUint32(field, uint32(n.kind))
		binary.LittleEndian.PutUint32(field[4:], uint32(n.rows))
		binary.LittleEndian.PutUint32(field[8:], uint32(n.children))
		for i, part := range n.parts {
			end = align(end)
			if len(part) > 0 {
				binary.LittleEndian.PutUint32(field[12+i*4:], uint32(end))
				end += copy(out[end:], part)
			}
		}
	}
	return out, nil
}

func align(at int) int { return (at + 7) &^ 7 }

// Texts is a column of text with a value for each row.
type Texts []string

// Len is the number of rows.
func (c Texts) Len() int { return len(c) }

func (c Texts) write(b *blockBuilder) { writeTexts(b, KindText, c) }

func writeTexts[T string | []byte](b *blockBuilder, kind Kind, values []T) {
	size := 0
	for _, value := range values {
		size += len(value)
	}
	offsets, bytes := make([]uint32, 1, len(values)+1), make([]byte, 0, size)
	for _, value := range values {
		bytes = append(bytes, value...)
		offsets = append(offsets, uint32(len(bytes)))
	}
	b.add(kind, len(values), 0, nil, bytesOf(offsets), bytes)
}

// Dictionary is a column of text that repeats: for each row the number of its value.
type Dictionary struct {
	Keys   []uint32
	Values []string
	// Valid has the rows that have a value; nil: all have.
	Valid *Bitmap
}

// Len is the number of rows.
func (c Dictionary) Len() int { return len(c.Keys) }

func (c Dictionary) write(b *blockBuilder) {
	b.add(KindDictionary, len(c.Keys), 1, c.Valid, nil, bytesOf(c.Keys))
	writeTexts(b, KindText, c.Values)
}

// Binaries is a column of bytes with a value for each row.
type Binaries [][]byte

// Len is the number of rows.
func (c Binaries) Len() int { return len(c) }

func (c Binaries) write(b *blockBuilder) { writeTexts(b, KindBinary, c) }

// Booleans is a column of truth values: the rows that are true.
type Booleans struct {
	True *Bitmap
	// Valid has the rows that have a value; nil: all have.
	Valid *Bitmap
}

// Len is the number of rows.
func (c Booleans) Len() int { return c.True.Len() }

func (c Booleans) write(b *blockBuilder) {
	b.add(KindBoolean, c.True.Len(), 0, c.Valid, nil, c.True.bytes())
}

// Numbers is a column of numbers or ids.
type Numbers[T Fixed] struct {
	Values []T
	// Valid has the rows that have a value; nil: all have.
	Valid *Bitmap
}

// NumbersOf is the column of these numbers or ids, all of them valid.
func NumbersOf[T Fixed](values ...T) Numbers[T] { return Numbers[T]{Values: values} }

// Len is the number of rows.
func (c Numbers[T]) Len() int { return len(c.Values) }

func (c Numbers[T]) write(b *blockBuilder) {
	b.add(kindOf[T](), len(c.Values), 0, c.Valid, nil, bytesOf(c.Values))
}

func kindOf[T Fixed]() Kind {
	var one T
	switch any(one).(type) {
	case uint8:
		return KindUint8
	case uint32:
		return KindUint32
	case int32:
		return KindInt32
	case uint64:
		return KindUint64
	case int64:
		return KindInt64
	case float64:
		return KindDouble
	case [8]byte:
		return KindID8
	}
	return KindID16
}

// Len is 1: a Value is a column of one row, which stands for all targets.
func (v Value) Len() int { return 1 }

func (v Value) write(b *blockBuilder) {
	switch v.kind {
	case AnyText:
		writeTexts(b, KindText, []string{v.text})
	case AnyInt:
		NumbersOf(int64(v.bits)).write(b)
	case AnyDouble:
		NumbersOf(math.Float64frombits(v.bits)).write(b)
	case AnyBoolean:
		b.add(KindBoolean, 1, 0, nil, nil, []byte{byte(v.bits)})
	case AnyBinary:
		writeTexts(b, KindBinary, []string{v.text})
	default:
		var one AnyBuilder
		one.Append(v)
		one.write(b)
	}
}

// strip is bytes cut by their ends.
type strip struct {
	ends  []uint32
	bytes []byte
}

func (s *strip) append(value string) {
	if len(s.ends) == 0 {
		s.ends = append(s.ends, 0)
	}
	s.bytes = append(s.bytes, value...)
	s.ends = append(s.ends, uint32(len(s.bytes)))
}

func (s *strip) len() int { return max(len(s.ends)-1, 0) }

func (s *strip) write(b *blockBuilder, kind Kind, valid *Bitmap) {
	b.add(kind, s.len(), 0, valid, bytesOf(s.ends), s.bytes)
}

func (s *strip) reset() { s.ends, s.bytes = s.ends[:0], s.bytes[:0] }

// validBuilder collects which rows have a value.
type validBuilder struct {
	bits    Bitmap
	missing bool
}

func (v *validBuilder) append(valid bool) {
	if v.bits.rows&63 == 0 {
		v.bits.words = append(v.bits.words, 0)
	}
	v.bits.rows++
	if valid {
		v.bits.Add(v.bits.rows - 1)
	} else {
		v.missing = true
	}
}

func (v *validBuilder) bitmap() *Bitmap {
	if v.missing {
		return &v.bits
	}
	return nil
}

func (v *validBuilder) reset() { v.bits, v.missing = Bitmap{words: v.bits.words[:0]}, false }

// TextBuilder collects a column of text row by row. The zero TextBuilder is ready to use.
type TextBuilder struct {
	strip strip
	valid validBuilder
}

// Append adds a row.
func (t *TextBuilder) Append(text string) {
	t.strip.append(text)
	t.valid.append(true)
}

// AppendNone adds a row without a value.
func (t *TextBuilder) AppendNone() {
	t.strip.append("")
	t.valid.append(false)
}

// Len is the number of rows.
func (t *TextBuilder) Len() int { return t.strip.len() }

// Reset takes all rows away, and keeps the memory for the next ones.
func (t *TextBuilder) Reset() {
	t.strip.reset()
	t.valid.reset()
}

func (t *TextBuilder) write(b *blockBuilder) { t.strip.write(b, KindText, t.valid.bitmap()) }

// BinaryBuilder collects a column of bytes row by row. The zero BinaryBuilder is ready to use.
type BinaryBuilder struct {
	text TextBuilder
}

// Append adds a row.
func (c *BinaryBuilder) Append(bytes []byte) { c.text.Append(textOf(bytes)) }

// AppendNone adds a row without a value.
func (c *BinaryBuilder) AppendNone() { c.text.AppendNone() }

// Len is the number of rows.
func (c *BinaryBuilder) Len() int { return c.text.Len() }

// Reset takes all rows away, and keeps the memory for the next ones.
func (c *BinaryBuilder) Reset() { c.text.Reset() }

func (c *BinaryBuilder) write(b *blockBuilder) {
	c.text.strip.write(b, KindBinary, c.text.valid.bitmap())
}

// AnyBuilder collects a column of values of their own types row by row. The zero AnyBuilder is ready to use.
type AnyBuilder struct {
	kinds   []byte
	places  []uint32
	text    strip
	int     []int64
	double  []float64
	boolean validBuilder
	binary  strip
	list    strip
	mapped  strip
}

// Append adds a row. An absent value removes what the target had.
func (a *AnyBuilder) Append(value Value) {
	place := 0
	hold := func(s *strip) {
		place = s.len()
		s.append(value.text)
	}
	switch value.kind {
	case AnyText:
		hold(&a.text)
	case AnyInt:
		place = len(a.int)
		a.int = append(a.int, int64(value.bits))
	case AnyDouble:
		place = len(a.double)
		a.double = append(a.double, math.Float64frombits(value.bits))
	case AnyBoolean:
		place = a.boolean.bits.rows
		a.boolean.append(value.bits == 1)
	case AnyBinary:
		hold(&a.binary)
	case AnyList:
		hold(&a.list)
	case AnyMap:
		hold(&a.mapped)
	}
	a.kinds = append(a.kinds, byte(value.kind))
	a.places = append(a.places, uint32(place))
}

// AppendSame adds that many rows with the same value, which is sent once.
func (a *AnyBuilder) AppendSame(value Value, rows int) {
	for row := range rows {
		if row == 0 {
			a.Append(value)
			continue
		}
		a.kinds = append(a.kinds, byte(value.kind))
		a.places = append(a.places, a.places[len(a.places)-1])
	}
}

// Len is the number of rows.
func (a *AnyBuilder) Len() int { return len(a.kinds) }

// Reset takes all rows away, and keeps the memory for the next ones.
func (a *AnyBuilder) Reset() {
	a.kinds, a.places, a.int, a.double = a.kinds[:0], a.places[:0], a.int[:0], a.double[:0]
	a.boolean.reset()
	for _, s := range []*strip{&a.text, &a.binary, &a.list, &a.mapped} {
		s.reset()
	}
}

func (a *AnyBuilder) write(b *blockBuilder) {
	at := len(b.nodes)
	b.add(KindAny, len(a.kinds), 0, nil, bytesOf(a.places), a.kinds)
	children := 0
	child := func(rows int, write func()) {
		if rows > 0 {
			write()
			children++
		}
	}
	child(a.text.len(), func() { a.text.write(b, KindText, nil) })
	child(len(a.int), func() { NumbersOf(a.int...).write(b) })
	child(len(a.double), func() { NumbersOf(a.double...).write(b) })
	child(a.boolean.bits.rows, func() { Booleans{True: &a.boolean.bits}.write(b) })
	child(a.binary.len(), func() { a.binary.write(b, KindBinary, nil) })
	child(a.list.len(), func() { a.list.write(b, KindListValue, nil) })
	child(a.mapped.len(), func() { a.mapped.write(b, KindMapValue, nil) })
	b.nodes[at].children = children
}

// AttributesBuilder collects a column of attributes: entries, and the ends of rows. The zero AttributesBuilder is ready to use.
type AttributesBuilder struct {
	ends   []uint32
	keys   strip
	values AnyBuilder
}

// Entry adds an entry to the row in the making.
func (a *AttributesBuilder) Entry(key string, value Value) {
	a.keys.append(key)
	a.values.Append(value)
}

// EndRow ends a row: what comes next is the next one's.
func (a *AttributesBuilder) EndRow() {
	if len(a.ends) == 0 {
		a.ends = append(a.ends, 0)
	}
	a.ends = append(a.ends, uint32(a.values.Len()))
}

// Len is the number of rows that were ended.
func (a *AttributesBuilder) Len() int { return max(len(a.ends)-1, 0) }

// Reset takes all rows away, and keeps the memory for the next ones.
func (a *AttributesBuilder) Reset() {
	a.ends = a.ends[:0]
	a.keys.reset()
	a.values.Reset()
}

// write ends a row that was not, so that no entry is outside of all rows.
func (a *AttributesBuilder) write(b *blockBuilder) {
	if last := len(a.ends) - 1; a.values.Len() > 0 && (last < 0 || a.ends[last] != uint32(a.values.Len())) {
		a.EndRow()
	}
	b.add(KindAttributes, a.Len(), 2, nil, bytesOf(a.ends), nil)
	a.keys.write(b, KindText, nil)
	a.values.write(b)
}

// Sequences is a column of several values for each row: row n has those from Offsets[n] up to Offsets[n+1]. It has a number
// more than rows, or none.
type Sequences struct {
	Offsets []uint32
	Values  Data
}

// Len is the number of rows.
func (c Sequences) Len() int { return max(len(c.Offsets)-1, 0) }

func (c Sequences) write(b *blockBuilder) {
	b.add(KindSequence, c.Len(), 1, nil, bytesOf(c.Offsets), nil)
	c.Values.write(b)
}
