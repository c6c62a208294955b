//! A curve as SVG: one panel for each cost, both axes logarithmic, colours that are readable on white and on black.

use std::fmt::Write as _;

use super::{Curve, Line};

const WIDTH: f64 = 720.0;
const PANEL: f64 = 260.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 46.0;
const STYLE: &str = "svg{color:#222;font:13px sans-serif}.paper{fill:#fff}text{fill:currentColor}\
    .grid{stroke:currentColor;stroke-opacity:.18}.line{stroke:#0a7bbb;stroke-width:2;fill:none}.dot{fill:#0a7bbb}\
    .knee{fill:none;stroke:#d1580d;stroke-width:2}\
    @media(prefers-color-scheme:dark){svg{color:#e6e6e6}.paper{fill:#161616}.line{stroke:#5ab8ee}.dot{fill:#5ab8ee}}";

/// The picture.
pub(super) fn draw(curve: &Curve) -> String {
    let panels = u32::try_from(curve.lines.len()).unwrap_or(u32::MAX);
    let height = PANEL * f64::from(panels);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"><style>{STYLE}</style><rect class="paper" width="{WIDTH}" height="{height}"/>"#
    );
    let mut y = 0.0;
    for line in &curve.lines {
        let _ = write!(svg, r#"<g transform="translate(0 {y})">"#);
        panel(&mut svg, curve.size, line);
        svg.push_str("</g>");
        y += PANEL;
    }
    svg.push_str("</svg>\n");
    svg
}

/// A logarithmic axis over whole decades.
struct Axis {
    low: i32,
    high: i32,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let logs: Vec<f64> = values
            .filter(|value| *value > 0.0)
            .map(f64::log10)
            .collect();
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        #[expect(clippy::cast_possible_truncation, reason = "decades are few")]
        let (low, high) = if low.is_finite() {
            (low.floor() as i32, high.ceil() as i32)
        } else {
            (0, 1)
        };
        let high = high.max(low + 1);
        Self {
            low,
            high,
            from,
            to,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        self.from + share * (self.to - self.from)
    }

    fn decades(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        (self.low..=self.high).map(|decade| {
            let value = 10f64.powi(decade);
            (value, self.at(value))
        })
    }
}

fn panel(svg: &mut String, size: &str, line: &Line) {
    let (bottom, right) = (PANEL - BOTTOM, WIDTH - RIGHT);
    let sizes = Axis::over(line.points.iter().map(|point| point.0), LEFT, right);
    let costs = Axis::over(line.points.iter().map(|point| point.1), bottom, TOP);
    for (value, x) in sizes.decades() {
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{bottom}"/><text x="{x:.1}" y="{}" text-anchor="middle">{}</text>"#,
            bottom + 17.0,
            short(value)
        );
    }
    for (value, y) in costs.decades() {
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 8.0,
            y + 4.0,
            short(value)
        );
    }
    let _ = write!(
        svg,
        r#"<text x="{LEFT}" y="22" font-weight="bold">{}</text><text x="{right}" y="{}" text-anchor="end">{}</text>"#,
        title(line),
        PANEL - 10.0,
        escaped(size)
    );
    marks(svg, line, &sizes, &costs);
}

fn marks(svg: &mut String, line: &Line, sizes: &Axis, costs: &Axis) {
    let knees = line.knees();
    let mut path = String::new();
    for (size, cost) in line.points.iter().filter(|point| point.1 > 0.0) {
        let (x, y) = (sizes.at(*size), costs.at(*cost));
        let _ = write!(path, "{x:.1},{y:.1} ");
        let _ = write!(
            svg,
            r#"<circle class="dot" cx="{x:.1}" cy="{y:.1}" r="3.5"><title>{size}: {cost:.3} {}</title></circle>"#,
            line.unit
        );
        if knees.iter().any(|knee| (knee.0 - size).abs() < 0.5) {
            let _ = write!(
                svg,
                r#"<circle class="knee" cx="{x:.1}" cy="{y:.1}" r="8"/>"#
            );
        }
    }
    let _ = write!(svg, r#"<polyline class="line" points="{path}"/>"#);
}

/// 0.01, 1, 1k, 1M.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{}G", v / 1e9),
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e3 => format!("{}k", v / 1e3),
        v if v >= 1.0 => format!("{v:.0}"),
        v => {
            let text = format!("{v:.6}");
            text.trim_end_matches('0').to_owned()
        }
    }
}

fn title(line: &Line) -> String {
    let unit = if line.unit.is_empty() {
        String::new()
    } else {
        format!(" [{}]", line.unit)
    };
    escaped(&line.cost) + &unit
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
