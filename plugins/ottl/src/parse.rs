//! Tokens to trees: recursive descent, one function for each level of the grammar.
//!
//! ```text
//! statement  = editor "(" arguments ")" [ "where" or ]
//! or         = and { "or" and }
//! and        = not { "and" not }
//! not        = [ "not" ] comparison
//! comparison = sum [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) sum ]
//! sum        = product { ( "+" | "-" ) product }
//! product    = unary { ( "*" | "/" ) unary }
//! unary      = [ "+" | "-" ] primary
//! primary    = literal | list | map | path | converter | "(" or ")"
//! ```

use crate::ast::{Argument, Arithmetic, At, Call, Comparison, Expr, Key, Kind, Path, Statement};
use crate::lex::{Spanned, Token, tokens};
use crate::{LENGTH_MAX, NESTING_MAX, ParseError};

/// What the grammar takes for itself, so that no path, function or enum has such a name.
const KEYWORDS: [&str; 6] = ["nil", "not", "or", "and", "true", "false"];

pub(crate) fn condition(text: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text)?;
    let expr = parser.or()?;
    parser.end("`and`, `or`, a comparison or the end")?;
    Ok(expr)
}

pub(crate) fn statement(text: &str) -> Result<Statement, ParseError> {
    let mut parser = Parser::new(text)?;
    let editor = parser.editor()?;
    let condition = if parser.word("where") { Some(parser.or()?) } else { None };
    let expected = if condition.is_some() { "`and`, `or`, a comparison or the end" } else { "`where` or the end" };
    parser.end(expected)?;
    Ok(Statement { editor, condition })
}

/// An error at a place of a text.
pub(crate) fn error_at(text: &str, at: At, reason: impl Into<String>) -> ParseError {
    ParseError {
        text: text.to_owned(),
        position: text.get(..at.start).map_or(0, |before| before.chars().count()),
        found: text.get(at.start..at.end).unwrap_or_default().to_owned(),
        reason: reason.into(),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Spanned>,
    next: usize,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, ParseError> {
        if text.len() > LENGTH_MAX {
            let reason = format!("longer than {LENGTH_MAX} bytes");
            return Err(ParseError { text: text.to_owned(), position: 0, found: String::new(), reason });
        }
        let mut parser = Parser { text, tokens: Vec::new(), next: 0, nesting: 0 };
        parser.tokens = tokens(text).map_err(|error| parser.error(error.start, error.end, error.reason))?;
        Ok(parser)
    }

    /// An error at a range of bytes.
    fn error(&self, start: usize, end: usize, reason: impl Into<String>) -> ParseError {
        error_at(self.text, At { start, end }, reason)
    }

    fn peek(&self) -> &Spanned {
        // The last token is `End`, which nothing consumes.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn expected(&self, what: &str) -> ParseError {
        let Spanned { start, end, token } = self.peek();
        let reason = match token {
            Token::Word(word) if KEYWORDS.contains(&word.as_str()) => {
                format!("expected {what}; `{word}` is a keyword")
            }
            _ => format!("expected {what}"),
        };
        self.error(*start, *end, reason)
    }

    fn end(&self, expected: &str) -> Result<(), ParseError> {
        if self.peek().token == Token::End { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn advance(&mut self) -> Spanned {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    /// Whether a sign is next, which is then consumed.
    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(&self.peek().token, Token::Sign(s) if *s == sign);
        self.next += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(&self.peek().token, Token::Word(w) if w == word);
        self.next += usize::from(found);
        found
    }

    fn need(&mut self, sign: &str, expected: &str) -> Result<(), ParseError> {
        if self.sign(sign) { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn start(&self) -> usize {
        self.peek().start
    }

    /// From a byte to the end of the last consumed token.
    fn since(&self, start: usize) -> At {
        let end = self.next.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start, |token| token.end);
        At { start, end }
    }

    /// Goes one level deeper, within bounds: each level is one of recursion, here and in everything that walks the tree.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        if self.nesting == NESTING_MAX {
            let Spanned { start, end, .. } = *self.peek();
            return Err(self.error(start, end, format!("nested more than {NESTING_MAX} deep")));
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    fn or(&mut self) -> Result<Expr, ParseError> {
        self.chain("or", Kind::Or, Self::and)
    }

    fn and(&mut self) -> Result<Expr, ParseError> {
        self.chain("and", Kind::And, Self::not)
    }

    fn chain(
        &mut self,
        word: &str,
        join: fn(Vec<Expr>) -> Kind,
        part: fn(&mut Self) -> Result<Expr, ParseError>,
    ) -> Result<Expr, ParseError> {
        let start = self.start();
        let first = part(self)?;
        let mut parts = vec![first];
        while self.word(word) {
            parts.push(part(self)?);
        }
        match parts.len() {
            1 => Ok(parts.remove(0)),
            _ => Ok(Expr { at: self.since(start), kind: join(parts) }),
        }
    }

    fn not(&mut self) -> Result<Expr, ParseError> {
        let start = self.start();
        if !self.word("not") {
            return self.comparison();
        }
        let inner = self.comparison()?;
        Ok(Expr { at: self.since(start), kind: Kind::Not(Box::new(inner)) })
    }

    fn comparison(&mut self) -> Result<Expr, ParseError> {
        let start = self.start();
        let left = self.sum()?;
        let comparison = match &self.peek().token {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            Token::Sign("=") => return Err(self.expected("`==` for a comparison")),
            _ => return Ok(left),
        };
        self.next += 1;
        let right = self.sum()?;
        let kind = Kind::Compare(comparison, Box::new(left), Box::new(right));
        Ok(Expr { at: self.since(start), kind })
    }

    fn sum(&mut self) -> Result<Expr, ParseError> {
        let start = self.start();
        let mut left = self.product()?;
        let mut length = 0;
        loop {
            let operator = match &self.peek().token {
                Token::Sign("+") => Arithmetic::Add,
                Token::Sign("-") => Arithmetic::Subtract,
                _ => return Ok(left),
            };
            length += 1;
            left = self.operation(start, operator, left, length, Self::product)?;
        }
    }

    fn product(&mut self) -> Result<Expr, ParseError> {
        let start = self.start();
        let mut left = self.unary()?;
        let mut length = 0;
        loop {
            let operator = match &self.peek().token {
                Token::Sign("*") => Arithmetic::Multiply,
                Token::Sign("/") => Arithmetic::Divide,
                _ => return Ok(left),
            };
            length += 1;
            left = self.operation(start, operator, left, length, Self::unary)?;
        }
    }

    fn operation(
        &mut self,
        start: usize,
        operator: Arithmetic,
        left: Expr,
        length: usize,
        operand: fn(&mut Self) -> Result<Expr, ParseError>,
    ) -> Result<Expr, ParseError> {
        // A long sum is a tree as deep as it is long.
        if length > NESTING_MAX {
            return Err(self.expected(&format!("at most {NESTING_MAX} operators in a row")));
        }
        self.next += 1;
        let right = operand(self)?;
        let kind = Kind::Arithmetic(operator, Box::new(left), Box::new(right));
        Ok(Expr { at: self.since(start), kind })
    }

    fn unary(&mut self) -> Result<Expr, ParseError> {
        let start = self.start();
        if self.sign("-") {
            let inner = self.primary()?;
            return Ok(Expr { at: self.since(start), kind: Kind::Negate(Box::new(inner)) });
        }
        self.sign("+");
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr, ParseError> {
        let start = self.start();
        let kind = match &self.peek().token {
            Token::Sign("(") => {
                self.next += 1;
                let mut inner = self.nested(Self::or)?;
                self.need(")", "`)`")?;
                inner.at = self.since(start);
                return Ok(inner);
            }
            Token::Sign("[") => self.list()?,
            Token::Sign("{") => self.map()?,
            Token::Word(_) => self.named()?,
            Token::Sign(_) | Token::End => return Err(self.expected("a value")),
            Token::Bytes(_) | Token::Double(_) | Token::Int(_) | Token::Text(_) => match self.advance().token {
                Token::Bytes(bytes) => Kind::Bytes(bytes),
                Token::Double(value) => Kind::Double(value),
                Token::Int(value) => Kind::Int(value as i64),
                Token::Text(text) => Kind::Text(text),
                _ => Kind::Nil,
            },
        };
        Ok(Expr { at: self.since(start), kind })
    }

    /// What starts with a word: a keyword, a converter, an enum or a path.
    fn named(&mut self) -> Result<Kind, ParseError> {
        let Token::Word(word) = self.peek().token.clone() else { return Err(self.expected("a name")) };
        let kind = match word.as_str() {
            "nil" => Kind::Nil,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "not" => return Err(self.expected("a value; put brackets around what `not` belongs to")),
            "and" | "or" => return Err(self.expected("a value")),
            _ => {
                let call = matches!(self.tokens.get(self.next + 1), Some(after) if after.token == Token::Sign("("));
                let upper = word.starts_with(|c: char| c.is_ascii_uppercase());
                return match (call, upper) {
                    (true, true) => Ok(Kind::Call(self.call()?)),
                    (true, false) => {
                        let Spanned { start, end, .. } = *self.peek();
                        let reason = "an editor cannot be used as a value; the names of converters start in upper case";
                        Err(self.error(start, end, reason))
                    }
                    (false, true) => {
                        self.next += 1;
                        Ok(Kind::Enum(word))
                    }
                    (false, false) => Ok(Kind::Path(self.path()?)),
                };
            }
        };
        self.next += 1;
        Ok(kind)
    }

    fn path(&mut self) -> Result<Path, ParseError> {
        let start = self.start();
        let mut names = Vec::new();
        loop {
            let at = self.start();
            match &self.peek().token {
                Token::Word(word) if !KEYWORDS.contains(&word.as_str()) && is_lowercase(word) => {
                    let word = word.clone();
                    self.next += 1;
                    names.push((self.since(at), word));
                }
                _ => return Err(self.expected("a field's name, in lower case")),
            }
            if !self.sign(".") {
                break;
            }
        }
        let keys = self.keys()?;
        if self.sign(".") {
            self.next -= 1;
            return Err(self.expected("the end of the path: nothing can follow its keys"));
        }
        Ok(Path { at: self.since(start), names, keys })
    }

    fn keys(&mut self) -> Result<Vec<(At, Key)>, ParseError> {
        let mut keys = Vec::new();
        loop {
            let start = self.start();
            if !self.sign("[") {
                return Ok(keys);
            }
            if keys.len() == NESTING_MAX {
                return Err(self.expected(&format!("at most {NESTING_MAX} keys")));
            }
            let key = match &self.peek().token {
                Token::Text(text) => Key::Text(text.clone()),
                Token::Int(index) => Key::Int(*index as i64),
                _ => return Err(self.expected("a text or a whole number as key")),
            };
            self.next += 1;
            self.need("]", "`]`")?;
            keys.push((self.since(start), key));
        }
    }

    fn list(&mut self) -> Result<Kind, ParseError> {
        self.next += 1;
        let mut items = Vec::new();
        if self.sign("]") {
            return Ok(Kind::List(items));
        }
        loop {
            items.push(self.nested(Self::sum)?);
            if self.sign("]") {
                return Ok(Kind::List(items));
            }
            self.need(",", "`,` or `]`")?;
        }
    }

    fn map(&mut self) -> Result<Kind, ParseError> {
        self.next += 1;
        let mut entries = Vec::new();
        loop {
            if self.sign("}") {
                return Ok(Kind::Map(entries));
            }
            let Token::Text(key) = self.peek().token.clone() else {
                return Err(self.expected("a text as key, or `}`"));
            };
            self.next += 1;
            self.need(":", "`:`")?;
            entries.push((key, self.nested(Self::sum)?));
            // The Collector takes entries with or without a comma between them.
            self.sign(",");
        }
    }

    fn editor(&mut self) -> Result<Call, ParseError> {
        let Token::Word(name) = self.peek().token.clone() else {
            return Err(self.expected("the name of an editor, as in `set(…)`"));
        };
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(self.expected("an editor, whose name starts in lower case"));
        }
        let call = self.call()?;
        match call.keys.first() {
            None => Ok(call),
            Some((at, _)) => Err(error_at(self.text, *at, "an editor has no value that could be indexed")),
        }
    }

    fn call(&mut self) -> Result<Call, ParseError> {
        let start = self.start();
        let Token::Word(name) = self.advance().token else { return Err(self.expected("the name of a function")) };
        self.need("(", "`(`")?;
        let mut arguments = Vec::new();
        if !self.sign(")") {
            loop {
                arguments.push(self.nested(Self::argument)?);
                if self.sign(")") {
                    break;
                }
                self.need(",", "`,` or `)`")?;
            }
        }
        let keys = self.keys()?;
        Ok(Call { at: self.since(start), name, arguments, keys })
    }

    fn argument(&mut self) -> Result<Argument, ParseError> {
        let start = self.start();
        let after = self.tokens.get(self.next + 1).map(|after| &after.token);
        let name = match (&self.peek().token, after) {
            (Token::Word(name), Some(Token::Sign("="))) => Some(name.clone()),
            _ => None,
        };
        if name.is_some() {
            self.next += 2;
        }
        let value = self.sum()?;
        Ok(Argument { at: self.since(start), name, value })
    }
}

fn is_lowercase(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
