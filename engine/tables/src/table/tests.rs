use std::fs;
use std::sync::Arc;

use super::*;
use crate::testing::{Folder, found, texts};
use crate::{Format, Registry};

const GOOD: &str = "host,team\nweb-1,shop\nweb-2,shop\n";

fn team(table: &Table, host: &str) -> String {
    found(&table.content(), &texts(&[host]), &["team"]).unwrap().remove(0)
}

/// A file is replaced by another: whoever asked before keeps the old content, whoever asks now has the new one.
#[tokio::test]
async fn a_new_content_is_exchanged_at_once() {
    let folder = Folder::new();
    let spec = TableSpec::csv(folder.put("hosts.csv", GOOD), "host");
    let registry = Registry::default();
    let table = registry.open(&spec).await.unwrap();
    assert!(matches!(table.refresh().await, Refreshed::Unchanged));
    let before = table.content();
    folder.put("hosts.csv", "team,host\npay,web-1\npay,web-3\npay,web-4\n");
    let refreshed = table.refresh().await;
    assert!(matches!(refreshed, Refreshed::Loaded { rows: 3, rows_before: 2, .. }), "{refreshed:?}");
    assert_eq!(team(&table, "web-1"), "dictionary: pay");
    assert_eq!(found(&before, &texts(&["web-1", "web-4"]), &["team"]).unwrap(), ["dictionary: shop -"]);
    assert!(matches!(table.refresh().await, Refreshed::Unchanged));
}

/// What is no table, or half of one: the old content serves on, the reason is there, and the next change is tried.
#[tokio::test]
async fn the_old_content_serves_on_whatever_comes() {
    let folder = Folder::new();
    let mut spec = TableSpec::csv(folder.put("hosts.csv", GOOD), "host");
    spec.bytes_max = 10_000;
    let table = Registry::default().open(&spec).await.unwrap();
    let wrong: [(&[u8], &str); 8] = [
        (b"", "it is empty: expected a line of column names"),
        (b"host,team\nweb-1,shop\nweb-2", "line 3: 1 cell: expected 2, one for each column"),
        (b"host,team\nweb-1,shop\nweb-2,sh", "the last line has no line end, which the file before had"),
        (b"host,team\nweb-1,\"shop\nweb-2,shop\n", "line 2: a quoted cell has no closing quote"),
        (b"host,team\nweb-1,\xff\n", "line 2, column `team`: not UTF-8: byte 0"),
        (
            b"host,team\nweb-1,a\nweb-2,b\nweb-1,c\n",
            "line 4, column `host`: the key `web-1` is there already, in line 2",
        ),
        (b"name,team\nweb-1,a\n", "line 1: there is no column `host`: the columns are `name`, `team`"),
        (&[b'x'; 10_001], "it has 10001 bytes; `max_bytes` allows 10000"),
    ];
    for (content, why) in wrong {
        folder.put("hosts.csv", content);
        let Refreshed::Refused(error) = table.refresh().await else { panic!("{why}: it was not refused") };
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(table.state().refused.unwrap().to_string(), error.to_string());
        assert_eq!(team(&table, "web-2"), "dictionary: shop");
        assert!(matches!(table.refresh().await, Refreshed::Unchanged), "{why}: it is not tried again as it is");
    }
    fs::remove_file(&spec.file).unwrap();
    let Refreshed::Refused(error) = table.refresh().await else { panic!("a file that is gone") };
    assert!(error.to_string().contains("cannot be read"), "{error}");
    assert_eq!(team(&table, "web-2"), "dictionary: shop");
    folder.put("hosts.csv", "host,team\nweb-2,pay\n");
    assert!(matches!(table.refresh().await, Refreshed::Loaded { .. }));
    assert_eq!((team(&table, "web-2"), table.state().refused.is_none()), ("dictionary: pay".to_owned(), true));
}

/// A file that is written slowly is read when it is done, and not before.
#[tokio::test(start_paused = true)]
async fn a_file_is_waited_for_until_it_rests() {
    let folder = Folder::new();
    let spec = TableSpec::csv(folder.put("hosts.csv", GOOD), "host");
    let table = Arc::new(Registry::default().open(&spec).await.unwrap());
    fs::write(&spec.file, "host,team\n").unwrap();
    let refreshing = tokio::spawn({
        let table = Arc::clone(&table);
        async move { table.refresh().await }
    });
    let mut text = "host,team\n".to_owned();
    for row in 0..20 {
        tokio::time::advance(QUIET / 2).await;
        text.push_str(&format!("web-{row},shop\n"));
        fs::write(&spec.file, &text).unwrap();
        tokio::task::yield_now().await;
        assert!(!refreshing.is_finished());
    }
    assert!(matches!(refreshing.await.unwrap(), Refreshed::Loaded { rows: 20, .. }));
}

/// Two stages that say the same of a file have one table; one that says something else has its own. Nothing is kept for nobody.
#[tokio::test]
async fn those_that_say_the_same_share_a_table() {
    let folder = Folder::new();
    let spec = TableSpec::csv(folder.put("hosts.csv", GOOD), "host");
    let registry = Registry::default();
    let (one, two) = (registry.open(&spec).await.unwrap(), registry.open(&spec).await.unwrap());
    assert!(Arc::ptr_eq(&one, &two));
    let other = TableSpec::csv(&spec.file, "team");
    assert!(registry.open(&other).await.unwrap_err().to_string().contains("the key `shop` is there already"));
    let weak = Arc::downgrade(&one);
    drop((one, two));
    assert!(weak.upgrade().is_none());
}

/// A load that nobody waits for ends.
#[test]
fn a_load_that_is_not_wanted_ends() {
    let folder = Folder::new();
    let mut text = "host,team\n".to_owned();
    (0..10_000).for_each(|row| text.push_str(&format!("web-{row},shop\n")));
    let spec = TableSpec::csv(folder.put("hosts.csv", text), "host");
    let error = load(&spec, &|| false).unwrap_err();
    assert!(matches!(error.problem, Problem::GivenUp), "{error}");
}

/// Half a MaxMind DB, and other things that are none.
#[tokio::test]
async fn half_a_database_is_refused() {
    use crate::testing::{Value, mmdb, mmdb_of};
    let whole =
        mmdb_of(&[(0x2001 << 112, 16, Value::Map(vec![("a", Value::Text("a long text, so that half is in it"))]))]);
    assert!(mmdb(&whole).is_ok());
    for part in [0, 1, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let error = mmdb(&whole[..part]).map(drop).unwrap_err();
        assert!(matches!(error.problem, Problem::Mmdb(_) | Problem::Empty { .. }), "{part}: {error}");
    }
    // Its beginning is lost: what the tree leads to is not there.
    assert!(mmdb(&whole[200..]).is_err());
    assert!(matches!(TableSpec::mmdb("x").format, Format::Mmdb));
}
