//! Bytes of a fuzzer, read as whatever is asked for. At the end everything is 0 or empty.

use wasmill_columns::{AnyBuilder, AnyValue, AttributesBuilder, Bitmap, BlockBuilder, Kind};

/// What is left of the bytes.
pub(super) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    /// As many bytes as the first two say, or as there are.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(u16::from_le_bytes([self.byte(), self.byte()])).min(self.0.len());
        self.0.split_off(..len).unwrap_or_default()
    }

    /// As many bytes as asked for, whatever is left.
    pub fn filled(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// A block: any bytes, or a column of so many values that is laid out as it should be, perhaps with bytes changed afterwards.
    pub fn block(&mut self, values: usize) -> Vec<u8> {
        let choice = self.byte();
        if choice == 0xff {
            return self.bytes().to_vec();
        }
        let mut block = BlockBuilder::new();
        let kind = Kind::ALL[usize::from(choice) % Kind::ALL.len()];
        self.column(kind, values, &mut block);
        let mut block = block.finish().unwrap_or_default();
        for _ in 0..self.below(4) {
            let at = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
            let byte = self.byte();
            if let Some(place) = block.get_mut(at) {
                *place = byte;
            }
        }
        block
    }

    fn column(&mut self, kind: Kind, values: usize, block: &mut BlockBuilder) {
        match kind {
            Kind::Boolean => {
                block.boolean(&Bitmap::from_fn(values, |_| self.byte() & 1 == 1));
            }
            Kind::UInt8 => drop(block.fixed((0..values).map(|_| self.byte()))),
            Kind::UInt32 => drop(block.fixed((0..values).map(|_| self.number() as u32))),
            Kind::Int32 => drop(block.fixed((0..values).map(|_| self.number() as i32))),
            Kind::UInt64 => drop(block.fixed((0..values).map(|_| self.number() as u64))),
            Kind::Int64 => drop(block.fixed((0..values).map(|_| self.number()))),
            Kind::Double => drop(block.fixed((0..values).map(|_| f64::from_bits(self.number() as u64)))),
            Kind::Id8 => drop(block.fixed((0..values).map(|_| [self.byte(); 8]))),
            Kind::Id16 => drop(block.fixed((0..values).map(|_| [self.byte(); 16]))),
            Kind::Text => {
                let texts: Vec<String> = (0..values).map(|_| self.short_text()).collect();
                block.text(texts.iter().map(String::as_str));
            }
            Kind::Binary | Kind::ListValue | Kind::MapValue => {
                let all: Vec<Vec<u8>> = (0..values).map(|_| self.short_text().into_bytes()).collect();
                block.binary(all.iter().map(Vec::as_slice));
            }
            Kind::Dictionary => {
                let texts: Vec<String> = (0..3).map(|_| self.short_text()).collect();
                let keys: Vec<u32> = (0..values).map(|_| u32::from(self.byte()) % 3).collect();
                block.dictionary(keys, texts.iter().map(String::as_str));
            }
            Kind::Any => {
                let mut any = AnyBuilder::new();
                (0..values).for_each(|_| self.value(|value| any.push(value)));
                any.append(block);
            }
            Kind::Sequence | Kind::Attributes => {
                let mut maps = AttributesBuilder::new();
                for _ in 0..values {
                    for _ in 0..self.below(4) {
                        let key = self.short_text();
                        self.value(|value| maps.entry(&key, value));
                    }
                    maps.end_row();
                }
                maps.append(block);
            }
        }
    }

    /// Mostly a small number, or one of the ends.
    fn number(&mut self) -> i64 {
        match self.byte() {
            0xff => i64::MIN,
            0xfe => i64::MAX,
            0xfd => i64::from_le_bytes(self.filled(8).try_into().unwrap_or_default()),
            byte => i64::from(byte) - 3,
        }
    }

    fn short_text(&mut self) -> String {
        match self.byte() {
            byte @ 0..128 => char::from(byte).to_string(),
            byte => {
                let len = usize::from(byte - 128).min(self.0.len());
                String::from_utf8_lossy(self.0.split_off(..len).unwrap_or_default()).into_owned()
            }
        }
    }

    fn value(&mut self, take: impl FnOnce(AnyValue<'_>)) {
        let kind = self.byte();
        match kind % 9 {
            0 => take(AnyValue::Absent),
            1 => take(AnyValue::Empty),
            2 => take(AnyValue::Text(&self.short_text())),
            3 => take(AnyValue::Int(self.number())),
            4 => take(AnyValue::Double(self.number() as f64)),
            5 => take(AnyValue::Boolean(kind > 9)),
            6 => take(AnyValue::Binary(self.short_text().as_bytes())),
            // Encoded lists and maps, or what is none.
            7 => take(AnyValue::List(self.short_text().as_bytes())),
            _ => take(AnyValue::Map(self.short_text().as_bytes())),
        }
    }
}
