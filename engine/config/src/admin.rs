//! `service::admin`: the socket that `wasmill status`, `swap`, `rollback`, `tap` and `top` talk to, and what a tap does not show.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::problem::Problem;
use crate::reader::Reader;
use crate::running::Admin;
use crate::schema::{Kind, Section, key};

pub(crate) static SECTION: Section = Section {
    keys: &[
        key("enabled", Kind::Bool, "true", "`false`: there is no socket."),
        key(
            "socket",
            Kind::File,
            "",
            "Where it is, in at most 100 bytes. Without it: `wasmill/admin.sock` in `$XDG_RUNTIME_DIR`, or else in `/run` for root and \
             in `/tmp/wasmill-UID` for others.",
        ),
        key(
            "mask",
            Kind::TextList,
            MASK_DEFAULT,
            "Attributes and fields of which `wasmill tap` shows `****` instead of their value: names, in which `*` stands for any \
             characters and the case of letters does not matter. What is written here takes the place of the default.",
        ),
    ],
};

/// [`Admin::default`]'s, as it would be written.
const MASK_DEFAULT: &str = r#"["*authorization*","*cookie*","*passw*","*secret*","*api*key*","*token"]"#;

/// Each name is compared with each key of a record that is shown.
const MASKS_MAX: usize = 100;
/// Attributes' names are shorter.
const MASK_BYTES_MAX: usize = 200;

/// Linux takes 107 for a socket's path, and the lock beside it has some more.
const SOCKET_BYTES_MAX: usize = 100;

pub(crate) fn read(reader: &Reader) -> Admin {
    let fits = |path: &PathBuf| path.as_os_str().as_bytes().len() <= SOCKET_BYTES_MAX;
    Admin {
        enabled: reader.get_or("enabled", true),
        socket: reader.checked("socket", "the path of a file, at most 100 bytes", fits),
        mask: if reader.node("mask").is_some() { read_mask(reader) } else { Admin::default().mask },
    }
}

fn read_mask(reader: &Reader) -> Vec<String> {
    let names = reader.list::<String>("mask");
    let wrong = |problem: String| reader.report.error(&reader.place("mask"), Problem::Invalid(problem));
    if names.len() > MASKS_MAX {
        wrong(format!("{} names, where at most {MASKS_MAX} are looked for", names.len()));
    }
    for name in &names {
        if name.value.is_empty() || name.value.len() > MASK_BYTES_MAX {
            let problem = format!("`{}` is no name of 1 to {MASK_BYTES_MAX} bytes", name.value);
            reader.report.error(&name.place, Problem::Invalid(problem));
        }
    }
    names.into_iter().map(|name| name.value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the reference says is what holds.
    #[test]
    fn the_default_is_what_is_documented() {
        let documented: Vec<String> = MASK_DEFAULT
            .trim_matches(['[', ']'])
            .split(',')
            .map(|name| name.trim().trim_matches('"').to_owned())
            .collect();
        assert_eq!(documented, Admin::default().mask);
    }
}
