//! JSON (RFC 8259) as a stream of tokens over bytes that are UTF-8 already.
//!
//! Strict where JSON is: no comments, no trailing commas, no control characters in texts, numbers by the grammar. A place is
//! an offset into the document; whoever asks for a value says what is expected, which becomes the error's text.

use super::text;

/// How deep values of unknown fields may nest: as deep as messages may.
const UNKNOWN_DEPTH_MAX: u32 = crate::field::DEPTH_MAX;

/// Where a document is not one, and why.
#[derive(Debug)]
pub(super) struct JsonFault {
    pub offset: usize,
    pub reason: Reason,
}

/// Put together where it is shown: a fault may be met many times a second.
#[derive(Debug)]
pub(super) enum Reason {
    /// Something else than this stands there.
    Expected(&'static str),
    /// A field's value is not what its type takes. Its name, and that.
    Field(&'static str, &'static str),
    Other(&'static str),
    /// The output would have more bytes than this.
    TooLarge(usize),
}

impl JsonFault {
    #[cold]
    pub fn expected(offset: usize, what: &'static str) -> JsonFault {
        JsonFault { offset, reason: Reason::Expected(what) }
    }

    #[cold]
    pub fn other(offset: usize, reason: &'static str) -> JsonFault {
        JsonFault { offset, reason: Reason::Other(reason) }
    }
}

/// What stands at a place of a document, for an error's text.
pub(super) fn found(json: &[u8], offset: usize) -> &'static str {
    match json.get(offset) {
        None => "the end",
        Some(b'"') => "a text",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'-' | b'0'..=b'9') => "a number",
        Some(b't') if json[offset..].starts_with(b"true") => "a boolean",
        Some(b'f') if json[offset..].starts_with(b"false") => "a boolean",
        Some(b'n') if json[offset..].starts_with(b"null") => "null",
        Some(b'}') => "the end of an object",
        Some(b']') => "the end of a list",
        Some(b',') => "a comma",
        Some(b':') => "a colon",
        Some(_) => "something else",
    }
}

/// A text between its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub bytes: &'a [u8],
    /// Of the first byte, behind the quote.
    pub offset: usize,
    /// Whether it has escapes, and so is not what it says.
    pub escaped: bool,
}

pub(super) struct Reader<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(json: &'a [u8]) -> Reader<'a> {
        Reader { json, at: 0 }
    }

    /// The next byte that is not white space, and 0 at the end. Its place is [`Self::offset`].
    #[inline]
    pub fn peek(&mut self) -> u8 {
        while let Some(&byte) = self.json.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    #[inline]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Takes this byte, if it is the next one.
    #[inline]
    pub fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == byte;
        self.at += usize::from(there);
        there
    }

    #[inline]
    pub fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), JsonFault> {
        if self.take(byte) { Ok(()) } else { Err(JsonFault::expected(self.at, what)) }
    }

    pub fn end(&mut self) -> Result<(), JsonFault> {
        self.peek();
        if self.at == self.json.len() { Ok(()) } else { Err(JsonFault::expected(self.at, "the end of the document")) }
    }

    /// A text, which the next byte begins.
    #[inline]
    pub fn text(&mut self) -> Result<Raw<'a>, JsonFault> {
        self.expect(b'"', "a text")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += text::plain_len(&self.json[self.at..]);
            match self.json.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    // What is escaped is looked at when it is needed; here it only cannot end the text.
                    self.at += 2;
                }
                Some(_) => return Err(JsonFault::other(self.at, "a control character within a text must be escaped")),
                None => return Err(JsonFault::expected(self.json.len(), "the end of a text")),
            }
            if self.at > self.json.len() {
                return Err(JsonFault::expected(self.json.len(), "the end of a text"));
            }
        }
        let raw = Raw { bytes: &self.json[start..self.at], offset: start, escaped };
        self.at += 1;
        Ok(raw)
    }

    /// A number by JSON's grammar, as it is written.
    #[inline]
    pub fn number(&mut self) -> Result<&'a [u8], JsonFault> {
        self.peek();
        let start = self.at;
        self.at += usize::from(self.json.get(self.at) == Some(&b'-'));
        match self.json.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(JsonFault::expected(start, "a number")),
        }
        if self.json.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.json.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.json.get(self.at), Some(b'+' | b'-')));
            self.some_digits()?;
        }
        Ok(&self.json[start..self.at])
    }

    #[inline]
    fn digits(&mut self) {
        while matches!(self.json.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), JsonFault> {
        let start = self.at;
        self.digits();
        if self.at > start { Ok(()) } else { Err(JsonFault::expected(start, "a digit")) }
    }

    /// Takes a word (`true`, `false`, `null`), if it is what comes next.
    #[inline]
    pub fn word(&mut self, word: &'static str) -> bool {
        self.peek();
        let there = self.json[self.at..].starts_with(word.as_bytes());
        self.at += if there { word.len() } else { 0 };
        there
    }

    /// The comma before another element or member, or the `close` behind the last: whether there is another.
    #[inline]
    pub fn more(&mut self, close: u8, what: &'static str) -> Result<bool, JsonFault> {
        match self.peek() {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            byte if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(JsonFault::expected(self.at, what)),
        }
    }

    /// Takes a value of any kind, checking that it is one, without recursion. Escapes within its texts are not looked at.
    pub fn skip(&mut self) -> Result<(), JsonFault> {
        // Of each open level, whether it is an object; the innermost lowest.
        let mut objects = 0u128;
        let mut depth = 0;
        loop {
            let mut open = match self.peek() {
                b'{' => Some(true),
                b'[' => Some(false),
                b'"' => self.text().map(|_| None)?,
                b't' if self.word("true") => None,
                b'f' if self.word("false") => None,
                b'n' if self.word("null") => None,
                b'-' | b'0'..=b'9' => self.number().map(|_| None)?,
                _ => return Err(JsonFault::expected(self.at, "a value")),
            };
            if let Some(object) = open {
                self.at += 1;
                if self.take(if object { b'}' } else { b']' }) {
                    open = None;
                } else if depth == UNKNOWN_DEPTH_MAX {
                    return Err(JsonFault::other(self.at, "nested more than 100 deep"));
                } else {
                    objects = objects << 1 | u128::from(object);
                    depth += 1;
                }
            }
            while open.is_none() && depth > 0 {
                let object = objects & 1 == 1;
                let (close, what) = if object { (b'}', COMMA_OR_BRACE) } else { (b']', COMMA_OR_BRACKET) };
                if self.more(close, what)? {
                    break;
                }
                objects >>= 1;
                depth -= 1;
            }
            if depth == 0 {
                return Ok(());
            }
            if objects & 1 == 1 {
                self.text()?;
                self.expect(b':', "a colon")?;
            }
        }
    }
}

const _: () = assert!(UNKNOWN_DEPTH_MAX <= u128::BITS, "a bit for each level");

pub(super) const COMMA_OR_BRACE: &str = "a comma or the end of the object";
pub(super) const COMMA_OR_BRACKET: &str = "a comma or the end of the list";
