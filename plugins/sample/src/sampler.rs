//! Whether an item is kept, and what it then says of that.

use wasmill_sdk::{Error, Result};

use crate::config::{Config, Mode};
use crate::threshold::{ALWAYS, NEVER, NUMBERS, PROBABILITY_MIN, RANDOMNESS_MAX, of_probability, probability};

/// What an item says of earlier sampling.
#[derive(Clone, Copy, Default, Debug)]
pub struct Said {
    /// It says something that cannot be understood.
    pub broken: bool,
    pub randomness: Option<u64>,
    pub threshold: Option<u64>,
}

/// What an item's randomness is made of, where it says none.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// There is nothing.
    None,
    /// Everybody finds the same number: it need not be written.
    TraceId(u64),
    /// A hash, which others cannot know.
    Hash(u64),
}

/// What becomes of an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    pub kept: bool,
    /// What it is to say; `None`: what it said already.
    pub says: Option<Saying>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Saying {
    pub randomness: Option<u64>,
    pub threshold: Option<u64>,
}

pub struct Sampler {
    pub mode: Mode,
    /// Of what arrives; 0: nothing is kept but by priority.
    ratio: f64,
    /// Of equalizing and of hashes.
    threshold: u64,
    pub precision: u32,
    pub seed: u32,
    fail_closed: bool,
}

/// Numbers that the hash of the older way tells apart.
const HASH_BITS: u32 = 14;
const HASH_BUCKETS: u32 = 1 << HASH_BITS;
/// Where the hash's bits are among the 56.
const HASH_SHIFT: u32 = 56 - HASH_BITS;

impl Sampler {
    pub fn new(config: &Config) -> Result<Sampler> {
        let Config { ratio, sampling_percentage, mode, hash_seed, fail_closed, sampling_precision, .. } = config;
        // The older way computes with single precision, and fleets have to agree to the bit.
        let (ratio, percentage) = match (*ratio, *sampling_percentage) {
            (None, None) => return Err(Error::new("`ratio` is missing: the share to keep, such as `0.1`")),
            (Some(_), Some(_)) => {
                return Err(Error::new("both `ratio` and `sampling_percentage`: expected one of them"));
            }
            (Some(ratio), None) if !(0.0..=1.0).contains(&ratio) => {
                return Err(Error::new(format!("`ratio` is {ratio}, expected 0 to 1")));
            }
            (Some(ratio), None) => (ratio, (ratio * 100.0) as f32),
            (None, Some(percentage)) if percentage.is_nan() || percentage < 0.0 => {
                return Err(Error::new(format!("`sampling_percentage` is {percentage}, expected 0 to 100")));
            }
            // More than all is all, as the Collector has it.
            (None, Some(percentage)) => (f64::from(percentage.min(100.0)) / 100.0, percentage.min(100.0)),
        };
        if ratio > 0.0 && ratio < PROBABILITY_MIN {
            return Err(Error::new(format!("a share of {ratio} is too small, at least {PROBABILITY_MIN} can be kept")));
        }
        if !(1..=14).contains(sampling_precision) {
            return Err(Error::new(format!("`sampling_precision` is {sampling_precision}, expected 1 to 14")));
        }
        let threshold = match mode {
            Mode::HashSeed => {
                let buckets = (percentage * (HASH_BUCKETS as f32 / 100.0)) as u32;
                if buckets == 0 { NEVER } else { u64::from(HASH_BUCKETS - buckets.min(HASH_BUCKETS)) << HASH_SHIFT }
            }
            Mode::Equalizing | Mode::Proportional => of_probability(ratio, *sampling_precision).unwrap_or(NEVER),
        };
        let (mode, precision, seed, fail_closed) = (*mode, *sampling_precision, *hash_seed, *fail_closed);
        Ok(Sampler { mode, ratio, threshold, precision, seed, fail_closed })
    }

    /// The randomness of bytes.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        match self.mode {
            Mode::HashSeed => hash14(bytes, self.seed),
            Mode::Equalizing | Mode::Proportional => hash56(bytes, self.seed),
        }
    }

    /// Decides about an item. `priority`: a threshold that it asks for itself. `always_says`: whether an item without any
    /// randomness is given the largest, as spans are in the older way.
    pub fn decide(&self, said: Said, source: Source, priority: Option<u64>, always_says: bool) -> Decision {
        let Said { broken, mut randomness, mut threshold } = said;
        let is_never = self.threshold == NEVER;
        let found = match source {
            Source::None => None,
            Source::TraceId(number) | Source::Hash(number) => Some(number),
        };
        let (mut failed, mut writes) = (broken, !broken);
        let number = if is_never {
            Some(RANDOMNESS_MAX)
        } else if self.mode == Mode::HashSeed {
            // Who samples consistently must not be sampled by a hash.
            let in_use = randomness.is_some() || threshold.is_some();
            (failed, writes) = (broken || in_use, !broken && !in_use);
            if writes && (found.is_some() || always_says) {
                randomness = Some(found.unwrap_or(RANDOMNESS_MAX));
            }
            found
        } else if broken {
            None
        } else {
            if let (None, Source::Hash(number)) = (randomness, source) {
                randomness = Some(number);
            }
            randomness.or(found)
        };
        if !failed {
            match (number, threshold) {
                (None, _) => failed = true,
                // It should not have come so far: what it says of its share is wrong.
                (Some(number), Some(earlier)) if earlier > number => (failed, threshold) = (true, None),
                _ => {}
            }
        }
        let mut wanted = match failed {
            true if self.fail_closed => NEVER,
            true => ALWAYS,
            false => self.wanted(threshold),
        };
        wanted = priority.unwrap_or(wanted);
        let kept = wanted <= number.unwrap_or(RANDOMNESS_MAX);
        // A share never grows again.
        let threshold = Some(threshold.map_or(wanted, |earlier| earlier.max(wanted)));
        Decision { kept, says: (kept && writes).then_some(Saying { randomness, threshold }) }
    }

    fn wanted(&self, earlier: Option<u64>) -> u64 {
        match self.mode {
            _ if self.threshold == NEVER => NEVER,
            Mode::HashSeed => self.threshold,
            Mode::Equalizing => self.threshold.max(earlier.unwrap_or(ALWAYS)),
            Mode::Proportional => {
                let share = earlier.map_or(1.0, probability) * self.ratio;
                of_probability(share, self.precision).unwrap_or(NEVER)
            }
        }
    }
}

/// FNV-1a of 32 bits over the seed and the bytes; the lowest fourteen bits decide. They are turned round, so that what was below a
/// bound is above a threshold, and the rest of the hash fills the number up.
fn hash14(bytes: &[u8], seed: u32) -> u64 {
    let hash = seed
        .to_le_bytes()
        .iter()
        .chain(bytes)
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let bucket = hash & (HASH_BUCKETS - 1);
    let turned = HASH_BUCKETS - 1 - bucket;
    let unused = u64::from(hash >> (32 - HASH_BITS));
    let mixed = unused ^ (unused << 10);
    (u64::from(turned) << HASH_SHIFT) | (mixed << HASH_BITS) | u64::from(bucket)
}

/// FNV-1a of 64 bits over the seed and the bytes, its bits mixed (the finish of MurmurHash3): all 56 are to be random.
fn hash56(bytes: &[u8], seed: u32) -> u64 {
    let mut hash =
        seed.to_le_bytes().iter().chain(bytes).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ hash >> 33).wrapping_mul(factor);
    }
    (hash ^ hash >> 33) & (NUMBERS - 1)
}
