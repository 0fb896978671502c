package wasmill

import (
	"slices"
	"testing"
)

// Lengths around a byte and a word: what is put in is there, and nothing behind the last row.
func TestBitmapAtEveryLength(t *testing.T) {
	for rows := range 200 {
		wanted := func(row int) bool { return row%3 == 0 || row == rows-1 }
		b := BitmapOf(rows, wanted)
		var want []int
		for row := range rows {
			if wanted(row) {
				want = append(want, row)
			}
			if b.Has(row) != wanted(row) {
				t.Fatalf("row %d of %d", row, rows)
			}
		}
		if got := slices.Collect(b.All()); !slices.Equal(got, want) || b.Count() != len(want) {
			t.Fatalf("of %d rows, got %v, want %v", rows, got, want)
		}
		if b.Has(rows) || b.Has(-1) || len(b.bytes()) != (rows+7)/8 {
			t.Fatalf("a row outside of %d", rows)
		}
		lying := append(slices.Clone(b.bytes()), 0xff)
		if rows%8 != 0 {
			lying[rows/8] |= 0xff << (rows % 8)
		}
		if again := bitmapOfBits(lying, rows); !slices.Equal(again.words, b.words) {
			t.Fatalf("%d rows do not survive their bytes", rows)
		}
		if n := b.Clone().Not(); n.Count() != rows-b.Count() || !n.Or(b).Full() || !n.AndNot(b).And(b).Empty() {
			t.Fatalf("not, or, and of %d rows", rows)
		}
	}
}

// A shorter operand counts as one without the missing rows.
func TestBitmapsOfDifferentLength(t *testing.T) {
	b := FullBitmap(100).And(FullBitmap(10))
	if b.Count() != 10 || b.Or(FullBitmap(20)).Count() != 20 || b.AndNot(FullBitmap(200)).Count() != 0 {
		t.Errorf("got %v", slices.Collect(b.All()))
	}
	if b.Or(FullBitmap(200)); b.Count() != 100 {
		t.Errorf("rows behind the end came in: %d", b.Count())
	}
}

func TestBitmapRefusesRowsThatItHasNot(t *testing.T) {
	err := guard(func() error { NewBitmap(64).Add(64); return nil })
	if err == nil {
		t.Error("row 64 of 64 was added")
	}
}

func TestTargetsTakeTheShorterForm(t *testing.T) {
	few, many := NewBitmap(100), BitmapOf(100, func(row int) bool { return row%2 == 0 })
	few.Add(77)
	for name, c := range map[string]struct {
		of    Target
		bytes []byte
		some  bool
	}{
		"none":    {NewBitmap(100), nil, false},
		"all":     {FullBitmap(100), nil, true},
		"few":     {few, []byte{77, 0, 0, 0}, true},
		"many":    {many, many.bytes(), true},
		"indices": {Indices{3, 256}, []byte{3, 0, 0, 0, 0, 1, 0, 0}, true},
		"entries": {Entries{}, nil, false},
	} {
		if got, some := c.of.target(); some != c.some || !slices.Equal(got.bytes, c.bytes) {
			t.Errorf("%s: %v %v", name, got, some)
		}
	}
}
