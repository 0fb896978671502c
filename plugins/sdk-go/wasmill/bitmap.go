package wasmill

import (
	"iter"
	"math/bits"
)

// Bitmap is a set of rows: what a plugin decides with, 64 rows at a time. Rows count from 0 to Len()-1; a row outside is in no
// bitmap.
type Bitmap struct {
	// Bits from rows on are 0.
	words []uint64
	rows  int
}

// NewBitmap gives the bitmap of that many rows with none of them in it.
func NewBitmap(rows int) *Bitmap {
	return &Bitmap{words: make([]uint64, (rows+63)/64), rows: rows}
}

// FullBitmap gives the bitmap of that many rows with all of them in it.
func FullBitmap(rows int) *Bitmap {
	b := NewBitmap(rows)
	b.Not()
	return b
}

// BitmapOf gives the rows that wanted says, asked once for each, in order.
func BitmapOf(rows int, wanted func(row int) bool) *Bitmap {
	b := NewBitmap(rows)
	for at := range b.words {
		var word uint64
		for row := at * 64; row < min(at*64+64, rows); row++ {
			if wanted(row) {
				word |= 1 << (row & 63)
			}
		}
		b.words[at] = word
	}
	return b
}

// Len is the number of rows that the bitmap is over, whether they are in it or not.
func (b *Bitmap) Len() int { return b.rows }

// Has says whether the row is in.
func (b *Bitmap) Has(row int) bool {
	return uint(row) < uint(b.rows) && b.words[row>>6]>>(row&63)&1 == 1
}

// Add puts the row in. It panics when there is no such row.
func (b *Bitmap) Add(row int) {
	b.check(row)
	b.words[row>>6] |= 1 << (row & 63)
}

// Remove takes the row out. It panics when there is no such row.
func (b *Bitmap) Remove(row int) {
	b.check(row)
	b.words[row>>6] &^= 1 << (row & 63)
}

func (b *Bitmap) check(row int) {
	if uint(row) >= uint(b.rows) {
		panic("a bitmap of fewer rows: " + itoa(b.rows) + ", asked for was row " + itoa(row))
	}
}

// Count is the number of rows that are in.
func (b *Bitmap) Count() int {
	count := 0
	for _, word := range b.words {
		count += bits.OnesCount64(word)
	}
	return count
}

// Empty says whether no row is in.
func (b *Bitmap) Empty() bool {
	for _, word := range b.words {
		if word != 0 {
			return false
		}
	}
	return true
}

// Full says whether every row is in.
func (b *Bitmap) Full() bool { return b.Count() == b.rows }

// And keeps the rows that are in other too, and gives the bitmap itself. Rows that other is too short for are not in it, here
// and below.
func (b *Bitmap) And(other *Bitmap) *Bitmap {
	for at := range b.words {
		b.words[at] &= other.word(at)
	}
	return b
}

// Or adds the rows of other, and gives the bitmap itself.
func (b *Bitmap) Or(other *Bitmap) *Bitmap {
	for at := range b.words {
		b.words[at] |= other.word(at)
	}
	return b.trim()
}

// AndNot takes the rows of other out, and gives the bitmap itself.
func (b *Bitmap) AndNot(other *Bitmap) *Bitmap {
	for at := range b.words {
		b.words[at] &^= other.word(at)
	}
	return b
}

// Not swaps what is in and what is not, and gives the bitmap itself.
func (b *Bitmap) Not() *Bitmap {
	for at := range b.words {
		b.words[at] = ^b.words[at]
	}
	return b.trim()
}

// Clone gives a copy.
func (b *Bitmap) Clone() *Bitmap {
	return &Bitmap{words: append([]uint64(nil), b.words...), rows: b.rows}
}

// All gives the numbers of the rows that are in, ascending.
func (b *Bitmap) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for at, word := range b.words {
			for ; word != 0; word &= word - 1 {
				if !yield(at*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// Words gives the rows in words of 64, the first in the least significant bit; bits behind the last row are 0. They are the
// bitmap's own.
func (b *Bitmap) Words() []uint64 { return b.words }

func (b *Bitmap) word(at int) uint64 {
	if at < len(b.words) {
		return b.words[at]
	}
	return 0
}

// trim clears the bits behind the last row.
func (b *Bitmap) trim() *Bitmap {
	if spare := len(b.words)*64 - b.rows; spare > 0 {
		b.words[len(b.words)-1] &= ^uint64(0) >> spare
	}
	return b
}

// bytes is the bitmap as it crosses, which shares its memory.
func (b *Bitmap) bytes() []byte { return bytesOf(b.words)[:(b.rows+7)/8] }

func (b *Bitmap) target() (target, bool) {
	count := b.Count()
	switch {
	case count == 0:
		return target{}, false
	case count == b.rows:
		return target{}, true
	case count*sparse <= b.rows:
		rows := make(Indices, 0, count)
		for row := range b.All() {
			rows = append(rows, uint32(row))
		}
		return rows.target()
	}
	return rowsTarget(b), true
}

// Validity says which rows of a column have a value. The zero Validity is that of no row.
type Validity struct {
	// nil: every row has one.
	bits []byte
	rows int
}

// Len is the number of rows.
func (v Validity) Len() int { return v.rows }

// Has says whether the row has a value.
func (v Validity) Has(row int) bool {
	return uint(row) < uint(v.rows) && (v.bits == nil || v.bits[row>>3]>>(row&7)&1 == 1)
}

// Full says whether it is known that every row has a value, without a look at each.
func (v Validity) Full() bool { return v.bits == nil }

// Bitmap gives the rows that have a value.
func (v Validity) Bitmap() *Bitmap { return bitmapOfBits(v.bits, v.rows) }

// restrict takes the rows without a value out.
func (v Validity) restrict(b *Bitmap) *Bitmap {
	if v.bits != nil {
		b.And(v.Bitmap())
	}
	return b
}

// bitmapOfBits copies bits as they lie in a block; nil: all of them.
func bitmapOfBits(lying []byte, rows int) *Bitmap {
	if lying == nil {
		return FullBitmap(rows)
	}
	b := NewBitmap(rows)
	copy(bytesOf(b.words), lying[:(rows+7)/8])
	return b.trim()
}
