//! A chart of horizontal bars, as SVG.

use std::fmt::Write as _;

pub struct Chart {
    pub title: String,
    /// Those of a group follow each other.
    pub bars: Vec<Bar>,
}

pub struct Bar {
    pub group: String,
    pub label: String,
    pub value: f64,
    pub emphasis: bool,
}

const WIDTH: f64 = 860.0;
/// Where bars begin: left of it are labels.
const LEFT: f64 = 190.0;
/// Right of the longest bar, for its figure.
const RIGHT: f64 = 90.0;
const LINE: f64 = 17.0;

/// Each group has a scale of its own: its longest bar takes all of the width.
pub fn bars(chart: &Chart) -> String {
    let mut body = String::new();
    let mut y = 44.0;
    for group in chart.bars.chunk_by(|one, other| one.group == other.group) {
        let most = group.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
        let name = group.first().map(|bar| bar.group.as_str()).unwrap_or_default();
        let _ = writeln!(body, r#"<text x="0" y="{y}" class="group">{}</text>"#, escaped(name));
        y += LINE + 2.0;
        for bar in group {
            let width = (WIDTH - LEFT - RIGHT) * (bar.value / most).clamp(0.0, 1.0);
            let class = if bar.emphasis { "own" } else { "other" };
            let (top, end) = (y - 12.0, LEFT + width + 6.0);
            let _ = writeln!(
                body,
                r#"<text x="12" y="{y}">{}</text><rect x="{LEFT}" y="{top}" width="{width:.1}" height="13" class="{class}"/><text x="{end:.1}" y="{y}">{}</text>"#,
                escaped(&bar.label),
                short(bar.value)
            );
            y += LINE;
        }
        y += 8.0;
    }
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="12">
<style>text {{ fill: #333 }} .group {{ font-weight: bold }} .own {{ fill: #5b3df5 }} .other {{ fill: #b8b8c4 }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} .own {{ fill: #8f7bff }} .other {{ fill: #6a6a78 }} }}</style>
<text x="0" y="18" font-size="14" class="group">{}</text>
{body}</svg>
"#,
        escaped(&chart.title)
    )
}

/// 2.35 M, 256 k, 12.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2} M", value / 1e6),
        value if value >= 1e3 => format!("{:.0} k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest of a group takes all, a half of it takes half; text cannot end the picture.
    #[test]
    fn bars_are_as_long_as_they_say() {
        let bar =
            |label: &str, value| Bar { group: "a < b".into(), label: label.into(), value, emphasis: label == "x" };
        let svg = bars(&Chart { title: "T & U".into(), bars: vec![bar("x", 2_000_000.0), bar("y", 1_000_000.0)] });
        assert!(svg.contains(r#"width="580.0" height="13" class="own""#), "{svg}");
        assert!(svg.contains(r#"width="290.0" height="13" class="other""#), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.contains("T &amp; U") && svg.contains("2.00 M"), "{svg}");
        assert_eq!([256_400.0, 12.0].map(short), ["256 k", "12"]);
    }
}
