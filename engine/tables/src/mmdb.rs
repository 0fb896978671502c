//! MaxMind DB files: what an IP address's network is known for.
//!
//! The file stays in memory as it is. It is checked to its end when it is loaded: afterwards whatever an address leads to decodes.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};

use foldhash::fast::FixedState;
use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader};

use crate::error::Problem;
use crate::shape::{FIELDS_MAX, Noted, Scalar, Shape, Step, ValueKind, noting};

/// Networks between looks at whether anybody still waits: some milliseconds' work.
const LOOK_NETWORKS: u64 = 65_536;
/// Networks for each node of the tree: a node has two ends. More are a tree that leads to itself.
const NETWORKS_PER_NODE: u64 = 3;

#[derive(Debug)]
pub(crate) struct Mmdb {
    reader: Reader<Vec<u8>>,
    bytes: u64,
    networks: u64,
    shape: Shape,
}

/// Records that addresses led to, each once.
pub(crate) struct Records<'m> {
    reader: &'m Reader<Vec<u8>>,
    records: Vec<LookupResult<'m, Vec<u8>>>,
    /// By where they are in the file.
    numbers: HashMap<usize, u32, FixedState>,
}

/// A field of a table's records.
#[derive(Debug)]
pub(crate) struct RecordField {
    steps: Vec<Step>,
    pub kind: ValueKind,
}

impl Mmdb {
    pub fn load(content: Vec<u8>, wanted: &dyn Fn() -> bool) -> Result<Mmdb, Problem> {
        let wrong = |error: MaxMindDbError| Problem::Mmdb(error.to_string());
        let bytes = content.len() as u64;
        let reader = Reader::from_source(content).map_err(wrong)?;
        reader.verify().map_err(wrong)?;
        let (mut networks, mut looked_at) = (0_u64, HashSet::new());
        let most = u64::from(reader.metadata().node_count).saturating_mul(NETWORKS_PER_NODE).saturating_add(1);
        let walked = noting(|| {
            for network in reader.networks(Default::default()).map_err(wrong)? {
                let network = network.map_err(wrong)?;
                networks += 1;
                if networks > most {
                    return Err(Problem::Mmdb("its tree leads to itself".to_owned()));
                }
                if networks.is_multiple_of(LOOK_NETWORKS) && !wanted() {
                    return Err(Problem::GivenUp);
                }
                if network.offset().is_some_and(|offset| looked_at.insert(offset)) {
                    network.decode::<Noted>().map_err(wrong)?;
                }
            }
            Ok(())
        });
        let shape = walked?.ok_or(Problem::TooManyFields { max: FIELDS_MAX })?;
        Ok(Mmdb { reader, bytes, networks, shape })
    }

    pub fn networks(&self) -> u64 {
        self.networks
    }

    /// Of memory, which the fields' names add little to.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn field(&self, name: &str) -> Option<RecordField> {
        self.shape.resolve(name).map(|(steps, kind)| RecordField { steps, kind })
    }

    /// No records yet.
    pub fn records(&self) -> Records<'_> {
        Records { reader: &self.reader, records: Vec::new(), numbers: HashMap::default() }
    }
}

impl<'m> Records<'m> {
    /// The number of the record that an address leads to.
    pub fn find(&mut self, address: IpAddr) -> Option<u32> {
        // A table of version 4 knows no address of version 6: an error to the library, and a network that is not there to us.
        let address = match address {
            IpAddr::V6(address) if self.reader.metadata().ip_version == 4 => IpAddr::V4(address.to_ipv4_mapped()?),
            address => address,
        };
        let record = self.reader.lookup(address).ok()?;
        let offset = record.offset()?;
        let number = *self.numbers.entry(offset).or_insert(self.records.len() as u32);
        if number as usize == self.records.len() {
            self.records.push(record);
        }
        Some(number)
    }

    /// The field of each record, in order.
    pub fn values(&self, field: &RecordField) -> Vec<Scalar<'m>> {
        let path: Vec<PathElement<'_>> = field.steps.iter().map(Step::element).collect();
        let value = |record: &LookupResult<'m, Vec<u8>>| match record.decode_path::<Scalar<'m>>(&path) {
            Ok(Some(value)) => value,
            // A record that has another shape on the way there.
            Ok(None) | Err(_) => Scalar::None,
        };
        self.records.iter().map(value).collect()
    }
}

/// An address in bytes: 4 or 16, the most significant first.
pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match *bytes {
        [a, b, c, d] => Some(IpAddr::from([a, b, c, d])),
        _ => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))),
    }
}
