//! The `forward` connector.

use super::FileConnector;
use crate::reader::{Located, Reader};
use crate::running::Endpoint;
use crate::schema::Section;

pub(super) static SECTION: Section = Section { keys: &[] };

pub(super) fn read(_: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileConnector> {
    Some(FileConnector::Forward)
}
