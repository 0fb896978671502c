use wasmill_columns::{AnyBuilder, Bitmap};

use super::*;
use crate::CellType;
use crate::testing::{Value, block, csv, found, mmdb, mmdb_of, texts};

const HOSTS: &str = "host,team,port,weight,internal\n\
                     web-1,shop,443,0.5,true\n\
                     web-2,shop,80,,false\n\
                     db-1,\"data, \"\"raw\"\"\",,2,\n";

fn hosts() -> Content {
    let types = [("port", CellType::Int64), ("weight", CellType::Double), ("internal", CellType::Boolean)];
    let types = types.map(|(name, cell)| (name.to_owned(), cell));
    csv(HOSTS, |spec| {
        if let crate::Format::Csv(format) = &mut spec.format {
            format.types.extend(types);
        }
    })
    .unwrap()
}

/// Keys that are text in either form or in `any`: the same rows, each field of its type, no value where there is none.
#[test]
fn text_keys_are_found_in_every_form() {
    let content = hosts();
    let fields = ["team", "port", "weight", "internal", "host"];
    let plain = texts(&["db-1", "nobody", "web-2", "web-1"]);
    let expected = [
        "dictionary: data, \"raw\" - shop shop",
        "int64: - - 80 443",
        "double: 2 - - 0.5",
        "boolean: - - false true",
        "text: db-1 - web-2 web-1",
    ];
    assert_eq!(found(&content, &plain, &fields).unwrap(), expected);

    let dictionary = block(|block| block.dictionary([2, 0, 1, 3], ["nobody", "web-2", "db-1", "web-1"]));
    let expected = expected.map(|line| line.replace("text:", "dictionary:"));
    assert_eq!(found(&content, &dictionary, &fields).unwrap(), expected);

    let mut any = AnyBuilder::new();
    for key in ["db-1", "nobody", "web-2", "web-1"] {
        any.push(key.into());
    }
    any.push(7_i64.into());
    let any = block(|block| any.append(block));
    assert_eq!(found(&content, &any, &["port"]).unwrap(), ["int64: - - 80 443 -"]);
}

/// Rows without a key, and a dictionary with more values than there are rows.
#[test]
fn a_key_that_is_not_there_finds_nothing() {
    let content = hosts();
    let holes = block(|block| {
        let node = block.dictionary([1, 0, 1], ["web-1", "db-1"]);
        block.set_validity(node, &Bitmap::from_fn(3, |row| row != 1));
    });
    assert_eq!(found(&content, &holes, &["team"]).unwrap(), ["dictionary: data, \"raw\" - data, \"raw\""]);
    let wide = block(|block| block.dictionary([4], ["a", "b", "c", "d", "web-2"]));
    assert_eq!(found(&content, &wide, &["host"]).unwrap(), ["text: web-2"]);
    assert_eq!(found(&content, &texts(&[]), &["host", "port"]).unwrap(), ["text: ", "int64: "]);
    assert!(found(&content, &texts(&["web-1"]), &[]).unwrap().is_empty());
}

/// Whole numbers of every width find rows by number; one that the table cannot have finds none.
#[test]
fn number_keys_are_found_in_every_width() {
    let content = csv("host,name\n-1,minus\n80,http\n443,https\n", |spec| {
        if let crate::Format::Csv(format) = &mut spec.format {
            format.types.insert("host".to_owned(), CellType::Int64);
        }
    })
    .unwrap();
    let cases = [
        (block(|block| block.fixed([443_i64, -1, 5])), "https minus -"),
        (block(|block| block.fixed([443_u64, u64::MAX, 80])), "https - http"),
        (block(|block| block.fixed([-1_i32, 80])), "minus http"),
        (block(|block| block.fixed([80_u32, 443])), "http https"),
        (block(|block| block.fixed([80_u8])), "http"),
    ];
    for (keys, expected) in cases {
        let lines = found(&content, &keys, &["name"]).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].split_once(": ").unwrap().1, expected);
    }
    let error = found(&content, &texts(&["80"]), &["name"]).unwrap_err();
    assert!(error.to_string().starts_with("the keys are `text`: expected int64"), "{error}");
}

fn city(name: &'static str, code: &'static str, population: u32) -> Value {
    Value::Map(vec![
        ("city", Value::Map(vec![("names", Value::Map(vec![("en", Value::Text(name))]))])),
        ("country", Value::Map(vec![("iso_code", Value::Text(code)), ("in_eu", Value::Boolean(code == "SE"))])),
        ("population", Value::UInt32(population)),
        ("subdivisions", Value::List(vec![Value::Map(vec![("iso_code", Value::Text("E"))])])),
    ])
}

/// `89.160.20.0/24`, `2001:db8::/32` and `10.0.0.0/8`, the last with a record of another shape.
fn geo() -> Content {
    let v4 = |a: u8, b: u8, c: u8, d: u8| u128::from(u32::from_be_bytes([a, b, c, d]));
    let odd = Value::Map(vec![
        ("population", Value::Text("unknown")),
        ("location", Value::Map(vec![("latitude", Value::Double(1.5)), ("radius", Value::Int32(-3))])),
        ("id", Value::UInt64(u64::MAX)),
        ("key", Value::Bytes(&[1, 2])),
        ("country", Value::Text("nowhere")),
    ]);
    mmdb(mmdb_of(&[
        (v4(89, 160, 20, 0), 96 + 24, city("Linköping", "SE", 100_000)),
        (0x2001_0db8 << 96, 32, city("Oslo", "NO", 700_000)),
        (v4(10, 0, 0, 0), 96 + 8, odd),
    ]))
    .unwrap()
}

/// Addresses as text, in bytes and in `any`; each field of one kind, whatever the shape of the record that was found.
#[test]
fn addresses_find_their_networks() {
    let content = geo();
    assert_eq!(content.rows(), 3);
    let fields = ["city.names.en", "country.in_eu", "location.latitude", "location.radius", "id", "key"];
    let expected = [
        "dictionary: Linköping Oslo - - - Linköping",
        "boolean: true false - - - true",
        "double: - - 1.5 - - -",
        "int64: - - -3 - - -",
        "uint64: - - 18446744073709551615 - - -",
        "binary: - - [1, 2] - - -",
    ];
    let keys = texts(&["89.160.20.7", "2001:db8::1", "10.1.2.3", "11.0.0.1", "no address", "89.160.20.8"]);
    assert_eq!(found(&content, &keys, &fields).unwrap(), expected);
    let v6 = 0x2001_0db8_u128 << 96;
    let (v4, v6) = ([89, 160, 20, 1], v6.to_be_bytes());
    let bytes = block(|block| block.binary([&v4[..], &v6, &[1, 2, 3]]));
    assert_eq!(found(&content, &bytes, &["country.iso_code"]).unwrap(), ["dictionary: SE NO -"]);
    let ids = block(|block| block.fixed([v6]));
    assert_eq!(found(&content, &ids, &["subdivisions.0.iso_code"]).unwrap(), ["dictionary: E"]);
    assert_eq!(found(&content, &ids, &["subdivisions.1.iso_code"]).unwrap(), ["dictionary: -"]);
    // Of several kinds: typed by row.
    let mixed = found(&content, &texts(&["2001:db8::1", "10.0.0.1", "::"]), &["population"]).unwrap();
    assert_eq!(mixed, [r#"any: Int(700000) Text("unknown") -"#]);
    for field in ["city", "city.names", "city.names.de", "subdivisions.iso_code", "", "a.b"] {
        let error = found(&content, &keys, &[field]).unwrap_err();
        assert_eq!(error, FindError::UnknownField { field: field.to_owned() });
    }
    let error = found(&content, &block(|block| block.fixed([1_i64])), &["id"]).unwrap_err();
    assert!(error.to_string().starts_with("the keys are `int64`: expected IP addresses"), "{error}");
}

/// What a hostile guest asks: no block, several columns, a field that is not there, more than is answered. Nothing of it is made.
#[test]
fn what_cannot_be_answered_is_refused_before_it_costs() {
    let content = hosts();
    let invalid = |keys: &[u8]| assert!(matches!(content.find(keys, &["team"], 1 << 20), Err(FindError::Keys { .. })));
    invalid(&[1, 2, 3]);
    invalid(&[]);
    invalid(&block(|block| {
        block.text(["a"]);
        block.text(["b"]);
    }));
    invalid(&block(|block| block.fixed([1.5_f64])));
    invalid(&block(|block| block.boolean(&Bitmap::all(3))));
    let one = texts(&["web-1"]);
    let unknown = content.find(&one, &["team", "nothing"], 1 << 20);
    assert_eq!(unknown, Err(FindError::UnknownField { field: "nothing".to_owned() }));
    let fields = vec!["team"; FIELDS_MAX + 1];
    assert!(matches!(content.find(&one, &fields, 1 << 20), Err(FindError::TooMany { what: "fields", .. })));
    let many = block(|block| block.text(std::iter::repeat_n("", CELLS_MAX + 1)));
    assert!(matches!(content.find(&many, &["team"], 1 << 30), Err(FindError::TooMany { what: "keys", .. })));
    let many = block(|block| block.text(std::iter::repeat_n("web-1", CELLS_MAX / 2)));
    assert!(matches!(content.find(&many, &["team"; 3], 1 << 30), Err(FindError::TooMany { .. })));
    assert_eq!(content.find(&many, &["team"], 1 << 20), Err(FindError::TooLarge { max: 1 << 20 }));
}

/// A long text that many keys lead to comes once where the keys or the values are in a dictionary, and is not repeated beyond what is
/// allowed where they are not.
#[test]
fn long_texts_are_bounded() {
    let long = "x".repeat(100_000);
    let content = csv(format!("host,about,note\na,{long},1\nb,{long},2\nc,short,3\n"), |_| ()).unwrap();
    let keys = vec!["a"; 100];
    let answer = content.find(&texts(&keys), &["about"], 1 << 20).unwrap();
    assert!(answer.len() < 110_000, "{}", answer.len());
    let unique = csv(format!("host,about\n{long},1\nb,2\n"), |_| ()).unwrap();
    let keys = vec![&*long; 20];
    let refused = unique.find(&texts(&keys), &["host"], 1 << 20);
    assert_eq!(refused, Err(FindError::TooLarge { max: 1 << 20 }));
}

/// A table whose column has many values, asked for a few: they are numbered anew, and none that was not asked for comes along.
#[test]
fn few_values_of_many_are_numbered_anew() {
    let mut text = "host,team\n".to_owned();
    (0..9_000).for_each(|row| text.push_str(&format!("h{row},t{}\n", row % 3_000)));
    let content = csv(text, |_| ()).unwrap();
    for rows in [3, 2_000] {
        let keys: Vec<String> = (0..rows).map(|row| format!("h{}", row * 3 % 9_000)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let answer = content.find(&texts(&keys), &["team"], 1 << 20).unwrap();
        let block = Block::check(&answer).unwrap();
        let Some(Keys::Text(found)) = block.column(0) else { panic!("text is expected") };
        for row in 0..rows {
            assert_eq!(found.get(row), Some(&*format!("t{}", row * 3 % 3_000)));
        }
        let wasmill_columns::Text::Dictionary(found) = found else { panic!("a dictionary is expected") };
        assert_eq!(found.values().len(), rows.min(1_000));
    }
}
