//! A plugin that does a bit of everything, through the block and back.

use wasmill_sdk::columns::{AttributesBuilder, Column as View};
use wasmill_sdk::prelude::*;
use wasmill_sdk::testing::{self, Cell, Harness};

const SERVICE: &str = r#"resource.attributes["service.name"]"#;
const USER: &str = r#"attributes["user"]"#;

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Config {
    keep_status: i32,
}

struct Everything {
    config: Config,
    service: Column<str>,
    status: Column<i32>,
    user: Column<Dynamic>,
    attributes: Column<Attributes>,
    events: Column<List<str>>,
    alerts: RouteSet,
    asked_twice: bool,
}

impl Plugin for Everything {
    type Config = Option<Config>;

    fn init(config: Option<Config>, needs: &mut Requirements) -> Result<Self> {
        needs.signals([Signal::Logs, Signal::Traces]);
        let service = needs.column(SERVICE);
        let attributes = needs.column("attributes");
        needs.signals([Signal::Traces]);
        let again: Column<str> = needs.column(SERVICE);
        Ok(Everything {
            config: config.ok_or_else(|| Error::new("`keep_status` is missing, expected 0 to 2"))?,
            service,
            status: needs.column("status.code"),
            user: needs.column(USER),
            attributes,
            events: needs.column("spanevent.name"),
            alerts: needs.route_set(["pager", "archive"]),
            asked_twice: format!("{again:?}") == format!("{service:?}"),
        })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        assert!(self.asked_twice, "one column, one handle");
        let checkout = slice.column(self.service).matches(|name| name == "checkout");
        if slice.signal() == Signal::Logs {
            return Err(Error::new(format!("{} of {} rows are of checkout", checkout.count(), slice.rows())));
        }
        verdict.keep(&slice.column(self.status).matches(|code| code == self.config.keep_status));
        verdict.drop(&checkout);
        verdict.route(&checkout, self.alerts);
        let exceptions = Bitmap::from_fn(slice.rows(), |row| {
            let events = slice.column(self.events);
            let View::Text(names) = events.values() else { return false };
            events.places(row).any(|place| names.get(place) == Some("exception"))
        });
        verdict.set("status.code", &exceptions, 2_i32);
        // Whoever is a number becomes text; the others stay.
        let users = slice.column(self.user);
        let numbers: Vec<u32> =
            (0..slice.rows()).filter(|&row| matches!(users.get(row), AnyValue::Int(_))).map(|row| row as u32).collect();
        let texts: Vec<String> = users
            .iter()
            .filter_map(|user| if let AnyValue::Int(id) = user { Some(format!("user-{id}")) } else { None })
            .collect();
        verdict.set_each(USER, Rows::Indices(&numbers), |block| {
            block.text(texts.iter().map(String::as_str));
        });
        let keys = slice.column(self.attributes).keys();
        let secrets: Vec<u32> = keys.matches(|key| key == "secret").ones().map(|place| place as u32).collect();
        verdict.remove("attributes", Rows::Entries(&secrets));
        let mut stamp = AttributesBuilder::new();
        stamp.entry("seen", AnyValue::Boolean(true));
        stamp.end_row();
        verdict.merge("attributes", Rows::All, &stamp);
        log!(Level::Info, "{} rows", slice.rows());
        host::counter("rows", &[("signal", "traces")], slice.rows() as f64).map_err(|_| Error::new("no counter"))?;
        Ok(())
    }
}

fn started() -> Harness<Everything> {
    Harness::start(r#"{"keep_status": 1}"#).unwrap()
}

/// Columns of all sorts in; keep, routes, and each kind of edit out.
#[test]
fn a_verdict_says_what_the_plugin_meant() {
    let mut plugin = started();
    let answer = plugin
        .slice(Signal::Traces, 3)
        .with(SERVICE, ["cart", "checkout", "cart"])
        .with("status.code", [1, 1, 0])
        .with(USER, [Cell::Int(7), "ada".into(), Cell::Absent])
        .with(
            "attributes",
            [
                Cell::attributes([("secret", "x"), ("a", "y")]),
                Cell::attributes::<&str, Cell>([]),
                Cell::attributes([("secret", 1_i64)]),
            ],
        )
        .with("spanevent.name", [Cell::list(["exception"]), Cell::Absent, Cell::list(["x", "exception"])])
        .process()
        .unwrap();
    assert_eq!(answer.kept(), [0]);
    let pager = Some(vec!["pager".to_owned(), "archive".to_owned()]);
    assert_eq!(answer.routes(), [None, pager, None]);
    assert_eq!(answer.column("status.code"), [Some(Cell::Int(2)), None, Some(Cell::Int(2))]);
    assert_eq!(answer.column(USER), [Some("user-7".into()), None, None]);
    let [.., removed, merged] = answer.edits() else { panic!("edits") };
    assert_eq!((removed.entries, &removed.targets[..]), (true, &[0, 2][..]), "places of the keys");
    assert_eq!(merged.values, vec![Cell::attributes([("seen", true)]); 3]);
    assert_eq!(testing::logged(), [(Level::Info, "3 rows".to_owned())]);
    assert_eq!(testing::metrics()[0].value, 3.0);
}

/// Each signal has its own columns, each once, in the order asked for.
#[test]
fn requirements_are_kept_apart_by_signal() {
    let plugin = started();
    assert_eq!(plugin.signals(), [Signal::Logs, Signal::Traces]);
    assert_eq!(plugin.paths(Signal::Logs), [SERVICE, "attributes"]);
    assert_eq!(plugin.paths(Signal::Traces), [SERVICE, "attributes", "status.code", USER, "spanevent.name"]);
    assert_eq!(plugin.uses(), [Use::Keep, Use::Edits, Use::Routes]);
}

/// A refusal of a slice, of a config that is wrong, and of none.
#[test]
fn refusals_say_why() {
    let refusal = started().slice(Signal::Logs, 2).with(SERVICE, [Some("checkout"), None]).process().unwrap_err();
    assert_eq!(refusal.message(), "1 of 2 rows are of checkout");
    let Err(error) = Harness::<Everything>::start(r#"{"keep": 1}"#) else { panic!("refused") };
    assert_eq!(error.message(), "`config`: unknown field `keep`, expected `keep_status`");
    for (config, about) in [
        (r#"{"keep_status": "ok"}"#, "`keep_status`: invalid type: string \"ok\", expected i32"),
        ("{\n \"keep_status\":\n [1]}", "`keep_status`: invalid type: sequence, expected i32"),
        (r#"{"keep_status": 3000000000}"#, "`keep_status`: invalid value: integer `3000000000`, expected i32"),
        ("5", "`config`: invalid type: integer `5`, expected struct Config"),
    ] {
        let Err(error) = Harness::<Everything>::start(config) else { panic!("refused") };
        assert_eq!(error.message(), about, "{config}");
    }
    let Err(error) = Harness::<Everything>::start("null") else { panic!("refused") };
    assert_eq!(error.message(), "`keep_status` is missing, expected 0 to 2");
}

/// No config block, an empty one: both are none to a plugin without config, and all defaults to one that has them.
#[test]
fn an_empty_config_is_none() {
    struct Configured<C>(std::marker::PhantomData<C>);
    impl<C: serde::de::DeserializeOwned + 'static> Plugin for Configured<C> {
        type Config = C;
        fn init(_: C, _: &mut Requirements) -> Result<Self> {
            Ok(Configured(std::marker::PhantomData))
        }
        fn process(&mut self, _: &Slice, _: &mut Verdict) -> Result<()> {
            Ok(())
        }
    }
    #[derive(serde::Deserialize)]
    struct Defaults {
        #[serde(default)]
        _a: u8,
    }
    for empty in ["{}", "null"] {
        assert!(Harness::<Configured<()>>::start(empty).is_ok(), "{empty}");
        assert!(Harness::<Configured<Defaults>>::start(empty).is_ok(), "{empty}");
        let Err(error) = Harness::<Configured<Config>>::start(empty) else { panic!("{empty} was taken") };
        assert!(error.message().starts_with("`config`: missing field `"), "{empty}: {error}");
    }
    assert!(Harness::<Configured<()>>::start(r#"{"a": 1}"#).is_err());
}

/// A column of another signal is a mistake in the plugin: it says which.
#[test]
#[should_panic(expected = "`status.code` was not asked for of Logs")]
fn a_column_of_another_signal_says_so() {
    struct Wrong(Column<i32>);
    impl Plugin for Wrong {
        type Config = ();
        fn init((): (), needs: &mut Requirements) -> Result<Self> {
            needs.signals([Signal::Logs]);
            needs.column::<str>("body");
            needs.signals([Signal::Traces]);
            Ok(Wrong(needs.column("status.code")))
        }
        fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
            verdict.keep(&slice.column(self.0).matches(|code| code == 0));
            Ok(())
        }
    }
    let _ = Harness::<Wrong>::start("null").unwrap().slice(Signal::Logs, 1).process();
}

/// Few rows cross as numbers, many as a bitmap, all as a word, none not at all: in each form the same rows are meant.
#[test]
fn rows_mean_the_same_in_each_form() {
    struct Set(Column<u32>);
    impl Plugin for Set {
        type Config = ();
        fn init((): (), needs: &mut Requirements) -> Result<Self> {
            needs.signals([Signal::Traces]);
            Ok(Set(needs.column("flags")))
        }
        fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
            verdict.set("name", &slice.column(self.0).matches(|flags| flags == 1), "x");
            Ok(())
        }
    }
    let mut plugin = Harness::<Set>::start("null").unwrap();
    for every in [1_usize, 2, 50, 1000] {
        let flags = (0..200).map(|row| u32::from(row % every == 0 && every < 1000));
        let answer = plugin.slice(Signal::Traces, 200).with("flags", flags.clone()).process().unwrap();
        let edited: Vec<bool> = answer.column("name").iter().map(Option::is_some).collect();
        assert_eq!(edited, flags.map(|flags| flags == 1).collect::<Vec<_>>());
        assert_eq!(answer.edits().is_empty(), every == 1000);
    }
}

/// Each row takes its own route; one with none, and those behind the last that is said, keep what was said before.
#[test]
fn rows_take_a_route_each() {
    struct Each([RouteSet; 2]);
    impl Plugin for Each {
        type Config = ();
        fn init((): (), needs: &mut Requirements) -> Result<Self> {
            needs.signals([Signal::Logs]);
            Ok(Each([needs.route_set(["eu"]), needs.route_set(["us"])]))
        }
        fn process(&mut self, _: &Slice, verdict: &mut Verdict) -> Result<()> {
            let Each([eu, us]) = *self;
            verdict.route(&Bitmap::from_fn(4, |row| row > 1), us);
            verdict.route_each([Some(eu), None, Some(eu)]);
            Ok(())
        }
    }
    let answer = Harness::<Each>::start("null").unwrap().slice(Signal::Logs, 4).process().unwrap();
    assert_eq!(
        answer.routes(),
        [Some("eu"), None, Some("eu"), Some("us")].map(|name| name.map(|name| vec![name.into()]))
    );
}

/// Decides about groups as its config says.
struct Grouped {
    rows: Option<u32>,
    waited: Column<u32>,
    set: RouteSet,
}

impl Plugin for Grouped {
    /// A row that is dropped, and routed, besides.
    type Config = Option<u32>;

    fn init(rows: Option<u32>, needs: &mut Requirements) -> Result<Self> {
        needs.signals([Signal::Traces]);
        Ok(Grouped { rows, waited: needs.column("group.waited_ms"), set: needs.route_set(["slow"]) })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let groups = slice.groups();
        assert_eq!(groups.iter().collect::<Vec<_>>(), [0..2, 2..3, 3..6]);
        assert_eq!((groups.len(), groups.rows(1), groups.rows(3)), (3, 2..3, 0..0));
        let waited = slice.column(self.waited).matches(|ms| ms > 5);
        assert_eq!(groups.any(&groups.expand(&waited)), waited);
        verdict.keep_groups(&waited);
        verdict.drop_groups(&Bitmap::from_fn(3, |group| group == 1));
        verdict.route_groups(&waited, self.set);
        if let Some(row) = self.rows {
            let row = Bitmap::from_fn(slice.rows(), |of| of == row as usize);
            verdict.drop(&row);
            verdict.route(&row, self.set);
        }
        Ok(())
    }
}

/// Groups stay and are routed whole; what is said of rows besides counts, too.
#[test]
fn groups_are_decided_whole() {
    let decide = |config: &str| {
        let mut plugin = Harness::<Grouped>::start(config).unwrap();
        assert_eq!(plugin.uses(), [Use::Keep, Use::Edits, Use::Routes, Use::Groups]);
        let slice = plugin.slice(Signal::Traces, 6).groups([2, 1, 3]);
        let answer = slice.with("group.waited_ms", [6_u32, 7, 5]).process().unwrap();
        let routed: Vec<usize> = (0..6).filter(|&row| answer.routes()[row].is_some()).collect();
        (answer.kept().to_vec(), routed)
    };
    assert_eq!(decide("null"), (vec![0, 1], vec![0, 1, 2]));
    assert_eq!(decide("0"), (vec![1], vec![0, 1, 2]));
    assert_eq!(decide("5"), (vec![0, 1], vec![0, 1, 2, 5]));
}
