//! Lookup tables of MaxMind DB files, against MaxMind's own reader: a real database, of 2015, and addresses from all over.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use wasmill_tests::{Folder, checks, output, wasmill};
use xtask::places;

/// Scenario: addresses of both families, some of them in no network and some no addresses, are looked up in GeoLite2 City by the plugin of
/// `examples/enrich-from-table`.
/// Guarantee: each record gets what MaxMind's reader finds in the same file, texts and numbers.
#[test]
fn what_a_real_database_has_is_what_its_makers_reader_finds() -> Result<()> {
    let folder = Folder::new()?;
    let found = output(checks("tests/peers/geo.py")?.arg(folder.path("cases/all")))?;
    // Each field is found often enough to tell.
    let counts: BTreeMap<String, usize> = serde_json::from_str(&found)?;
    ensure!(counts.get("country.iso_code").is_some_and(|found| *found >= 200), "{found}");
    ensure!(counts.get("city.names.en").is_some_and(|found| *found >= 100), "{found}");
    let plugin = folder.write("enrich.wasm", wasmill_fixtures::enrich_from_table())?;
    let mut test = wasmill()?;
    test.args(["plugin", "test", "--plugin"]).arg(plugin).arg("--cases").arg(folder.path("cases"));
    output(test.env("WASMILL_CACHE_DIR", places::cache().join("plugins-compiled")))?;
    Ok(())
}
