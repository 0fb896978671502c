//! Which rows of a batch are still in.

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

/// A subset of the rows `0..len`, in their order.
#[derive(Clone, Debug)]
pub struct Selection {
    len: usize,
    /// `None`: every row.
    bits: Option<BooleanBuffer>,
    count: usize,
}

impl Selection {
    /// Every row of `len`.
    pub fn all(len: usize) -> Self {
        Selection { len, bits: None, count: len }
    }

    /// The rows whose bit is set; one bit for each row.
    pub fn from_bits(bits: BooleanBuffer) -> Self {
        let count = bits.count_set_bits();
        let len = bits.len();
        Selection { len, bits: (count < len).then_some(bits), count }
    }

    /// The rows of `len` that `rows` names, in any order. Panics where one is not below `len`.
    pub fn from_rows(len: usize, rows: &[u32]) -> Self {
        let mut bits = BooleanBufferBuilder::new(len);
        bits.append_n(len, false);
        for &row in rows {
            bits.set_bit(row as usize, true);
        }
        Selection::from_bits(bits.finish())
    }

    /// Rows that it selects from.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Rows selected.
    pub fn count(&self) -> usize {
        self.count
    }

    pub fn is_all(&self) -> bool {
        self.bits.is_none()
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn contains(&self, row: usize) -> bool {
        match &self.bits {
            None => row < self.len,
            Some(bits) => row < self.len && bits.value(row),
        }
    }

    /// The bitmap, where not every row is selected.
    pub fn bits(&self) -> Option<&BooleanBuffer> {
        self.bits.as_ref()
    }

    /// Runs of selected rows, first and end, ascending.
    pub fn runs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let all = self.bits.is_none().then_some((0, self.len)).filter(|&(_, end)| end > 0);
        all.into_iter().chain(self.bits.iter().flat_map(|bits| bits.set_slices()))
    }

    /// Numbers of selected rows, ascending.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.runs().flat_map(|(start, end)| start..end)
    }

    /// Those of the selected rows whose bit is set in `keep`, which has a bit for each *selected* row.
    pub fn narrow(&self, keep: &BooleanBuffer) -> Selection {
        assert_eq!(keep.len(), self.count, "a bit for each selected row");
        match &self.bits {
            None => Selection::from_bits(keep.clone()),
            Some(bits) => {
                let mut out = BooleanBufferBuilder::new(self.len);
                out.append_n(self.len, false);
                for (row, kept) in bits.set_indices().zip(keep.iter()) {
                    out.set_bit(row, kept);
                }
                Selection::from_bits(out.finish())
            }
        }
    }

    /// The first `count` of the selected rows, and the others.
    pub fn split_at(&self, count: usize) -> (Selection, Selection) {
        let mut left = count;
        let mut cut = 0;
        for (start, end) in self.runs() {
            cut = start + left.min(end - start);
            left -= cut - start;
            if left == 0 {
                break;
            }
        }
        let before = |set: bool| {
            let mut bits = BooleanBufferBuilder::new(self.len);
            bits.append_n(cut, set);
            bits.append_n(self.len - cut, !set);
            Selection::from_bits(bits.finish())
        };
        (self.and(&before(true)), self.and(&before(false)))
    }

    /// The rows that are in both.
    pub fn and(&self, other: &Selection) -> Selection {
        assert_eq!(self.len, other.len, "selections of one batch");
        match (&self.bits, &other.bits) {
            (None, _) => other.clone(),
            (_, None) => self.clone(),
            (Some(a), Some(b)) => Selection::from_bits(a & b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Narrowed twice, by bits over what was left each time: numbers stay those of the batch.
    #[test]
    fn narrowing_keeps_row_numbers() {
        let all = Selection::all(6);
        let odd = all.narrow(&BooleanBuffer::from(vec![false, true, false, true, false, true]));
        let last = odd.narrow(&BooleanBuffer::from(vec![false, true, true]));
        assert_eq!(odd.rows().collect::<Vec<_>>(), [1, 3, 5]);
        assert_eq!(last.rows().collect::<Vec<_>>(), [3, 5]);
        assert_eq!(last.count(), 2);
        assert_eq!(last.and(&Selection::from_rows(6, &[5, 0])).rows().collect::<Vec<_>>(), [5]);
    }

    /// A selection is cut at each place, the ends and beyond included: no row is lost, none is in both parts.
    #[test]
    fn a_cut_keeps_every_row_once() {
        for selection in [Selection::all(6), Selection::from_rows(6, &[0, 1, 4]), Selection::from_rows(6, &[])] {
            for count in 0..8 {
                let (first, rest) = selection.split_at(count);
                assert_eq!(first.count(), count.min(selection.count()));
                let rows: Vec<usize> = first.rows().chain(rest.rows()).collect();
                assert_eq!(rows, selection.rows().collect::<Vec<_>>());
            }
        }
    }

    /// A bitmap of ones, and no rows at all: both are "every row", and both have as many runs as they should.
    #[test]
    fn everything_and_nothing() {
        assert!(Selection::from_bits(BooleanBuffer::new_set(3)).is_all());
        assert_eq!(Selection::all(0).runs().count(), 0);
        assert_eq!(Selection::all(3).runs().collect::<Vec<_>>(), [(0, 3)]);
        assert!(Selection::from_rows(3, &[]).is_empty());
    }
}
