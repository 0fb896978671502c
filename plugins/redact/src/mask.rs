//! What stands in place of a text that is not to be seen.

use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use sha3::Sha3_256;
use wasmill_sdk::{Error, Result};

use crate::config::HashFunction;

/// What is written where nothing is hashed.
const STARS: &str = "****";

/// Shorter keys can be guessed, or do not fill the hash's block. The Collector asks for as much.
const HMAC_SHA256_KEY_BYTES_MIN: usize = 32;
const HMAC_SHA512_KEY_BYTES_MIN: usize = 64;

pub enum Mask {
    Stars,
    Md5,
    Sha1,
    Sha3,
    /// Keyed, made ready once.
    HmacSha256(Box<Hmac<Sha256>>),
    HmacSha512(Box<Hmac<Sha512>>),
}

impl Mask {
    pub fn new(function: HashFunction, key: &str) -> Result<Mask> {
        let keyed = |name: &str, least: usize| match key.len() {
            0 => Err(Error::new(format!("`hmac_key` is missing: `{name}` needs one of at least {least} bytes"))),
            short if short < least => {
                Err(Error::new(format!("`hmac_key` has {short} bytes, `{name}` needs at least {least}")))
            }
            _ => Ok(()),
        };
        let unusable = |_| Error::new("`hmac_key` cannot be used");
        Ok(match function {
            HashFunction::None => Mask::Stars,
            HashFunction::Md5 => Mask::Md5,
            HashFunction::Sha1 => Mask::Sha1,
            HashFunction::Sha3 => Mask::Sha3,
            HashFunction::HmacSha256 => {
                keyed("hmac-sha256", HMAC_SHA256_KEY_BYTES_MIN)?;
                Mask::HmacSha256(Box::new(Hmac::new_from_slice(key.as_bytes()).map_err(unusable)?))
            }
            HashFunction::HmacSha512 => {
                keyed("hmac-sha512", HMAC_SHA512_KEY_BYTES_MIN)?;
                Mask::HmacSha512(Box::new(Hmac::new_from_slice(key.as_bytes()).map_err(unusable)?))
            }
        })
    }

    /// Appends what stands for the text.
    pub fn write(&self, text: &str, out: &mut String) {
        let text = text.as_bytes();
        match self {
            Mask::Stars => out.push_str(STARS),
            Mask::Md5 => hex(&Md5::digest(text), out),
            Mask::Sha1 => hex(&Sha1::digest(text), out),
            Mask::Sha3 => hex(&Sha3_256::digest(text), out),
            Mask::HmacSha256(keyed) => hex(&(**keyed).clone().chain_update(text).finalize().into_bytes(), out),
            Mask::HmacSha512(keyed) => hex(&(**keyed).clone().chain_update(text).finalize().into_bytes(), out),
        }
    }
}

fn hex(bytes: &[u8], out: &mut String) {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}
