//! Drops the rows of slow servers' health checks: three columns in, a bitmap out.

use wasmill_sdk::prelude::*;

#[derive(serde::Deserialize)]
struct Nothing {}

struct ThreeColumns {
    start: Column<u64>,
    kind: Column<i32>,
    route: Column<str>,
}

impl Plugin for ThreeColumns {
    type Config = Nothing;

    fn init(_: Nothing, needs: &mut Requirements) -> Result<Self> {
        needs.signals([Signal::Traces]);
        needs.uses([Use::Keep]);
        Ok(ThreeColumns {
            start: needs.column("start_time_unix_nano"),
            kind: needs.column("kind"),
            route: needs.column_as(&attribute("http.route"), TextForm::Dictionary),
        })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let mut rows = slice.column(self.start).matches(|start| start > 5);
        rows.and(&slice.column(self.kind).matches(|kind| kind == 2));
        rows.and(&slice.column(self.route).matches(|route| route == "/healthz"));
        verdict.drop(&rows);
        Ok(())
    }
}

wasmill_sdk::plugin!(ThreeColumns);
