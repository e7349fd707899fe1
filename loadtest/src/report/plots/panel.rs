//! One panel: named positions on the x axis, points or bars, ranges, a legend. Colours are those of Okabe and Ito, told
//! apart by colour-blind readers too; the text's colour is one that the page replaces by its own.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Text and axes. Unusual on purpose: in a page it becomes `currentColor`.
pub const INK: RGBColor = RGBColor(0x1B, 0x1C, 0x1D);
/// The series, in order.
pub const COLOURS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
];

/// A value at a position, with the range over the runs (or the interval) if there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Index of the position.
    pub at: usize,
    /// The value.
    pub value: f64,
    /// Lower and upper end.
    pub range: Option<(f64, f64)>,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Points joined by a line.
    Line,
    /// Points alone.
    Points,
    /// Bars from 0.
    Bars,
}

/// Values of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// How.
    pub form: Form,
    /// What.
    pub points: Vec<Point>,
}

/// What a panel shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Above it.
    pub title: String,
    /// Below the positions.
    pub x_label: String,
    /// Beside the values, with the unit.
    pub y_label: String,
    /// The positions.
    pub positions: Vec<String>,
    /// The series.
    pub series: Vec<Series>,
    /// Powers of ten instead of even steps.
    pub logarithmic: bool,
}

/// What drawing into memory can fail with: only a defect.
pub type DrawError = DrawingAreaErrorKind<std::io::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const LEGEND_TOP: i32 = 34;
const LEGEND_LINE: i32 = 18;
const BOTTOM: u32 = 58;

impl Panel {
    /// Draws it.
    pub fn draw(&self, area: &Area<'_>) -> Result<(), DrawError> {
        let text = |size: u32| ("sans-serif", size).into_font().color(&INK);
        area.draw_text(&self.title, &text(17), (14, 8))?;
        self.legend(area, &text(13))?;
        let legend = LEGEND_LINE * i32::try_from(self.series.len()).unwrap_or(1);
        let top = u32::try_from(LEGEND_TOP + legend + 8).unwrap_or(60);
        let (low, high) = self.bounds();
        let count = i32::try_from(self.positions.len()).unwrap_or(1);
        let mut chart = ChartBuilder::on(area)
            .margin_top(top)
            .margin_right(16)
            .margin_left(14)
            .x_label_area_size(BOTTOM)
            .y_label_area_size(74)
            .build_cartesian_2d(-0.5..f64::from(count) - 0.5, low..high)?;
        let logarithmic = self.logarithmic;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(0)
            .y_labels(if logarithmic { 4 } else { 7 })
            .y_desc(self.y_label.as_str())
            .axis_desc_style(text(13))
            .label_style(text(12))
            .axis_style(INK.mix(0.6))
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.15))
            .y_label_formatter(&|value| tick(*value, logarithmic))
            .draw()?;
        for (index, series) in self.series.iter().enumerate() {
            self.draw_series(&mut chart, index, series, low)?;
        }
        self.draw_positions(area, &chart, low, &text(13))
    }

    fn legend(&self, area: &Area<'_>, style: &TextStyle<'_>) -> Result<(), DrawError> {
        for (index, series) in self.series.iter().enumerate() {
            let y = LEGEND_TOP + LEGEND_LINE * i32::try_from(index).unwrap_or(0);
            let colour = COLOURS[index % COLOURS.len()].filled();
            if series.form == Form::Bars {
                area.draw(&Rectangle::new([(16, y + 1), (28, y + 12)], colour))?;
            } else {
                area.draw(&Circle::new((22, y + 7), 5, colour))?;
            }
            area.draw_text(&series.name, style, (36, y))?;
        }
        Ok(())
    }

    fn draw_series(
        &self,
        chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
        index: usize,
        series: &Series,
        low: f64,
    ) -> Result<(), DrawError> {
        let colour = COLOURS[index % COLOURS.len()];
        // Side by side, so that no series hides another's range.
        let others = crate::stats::count_f64(self.series.len() as u64) - 1.0;
        let shift = (crate::stats::count_f64(index as u64) - others / 2.0) * 0.06;
        let bars = series.form == Form::Bars;
        let x = |point: &Point| crate::stats::count_f64(point.at as u64) + if bars { 0.0 } else { shift };
        let y = |value: f64| if self.logarithmic { value.max(1e-3).log10() } else { value };
        match series.form {
            Form::Bars => {
                let bar = |point: &Point| {
                    Rectangle::new([(x(point) - 0.3, low), (x(point) + 0.3, y(point.value))], colour.filled())
                };
                chart.draw_series(series.points.iter().map(bar))?;
            }
            Form::Line => {
                let line = series.points.iter().map(|point| (x(point), y(point.value)));
                let line: Vec<(f64, f64)> = line.collect();
                chart.draw_series([PathElement::new(line, colour.stroke_width(2))])?;
            }
            Form::Points => {}
        }
        for point in &series.points {
            if let Some((bottom, top)) = point.range {
                let ends = [(x(point), y(bottom)), (x(point), y(top))];
                chart.draw_series([PathElement::new(ends, colour.stroke_width(2))])?;
                for end in [bottom, top] {
                    let cap = [(x(point) - 0.05, y(end)), (x(point) + 0.05, y(end))];
                    chart.draw_series([PathElement::new(cap, colour.stroke_width(2))])?;
                }
            }
            if !bars {
                chart.draw_series([Circle::new((x(point), y(point.value)), 5, colour.filled())])?;
            }
        }
        Ok(())
    }

    fn draw_positions(
        &self,
        area: &Area<'_>,
        chart: &ChartContext<'_, SVGBackend<'_>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
        low: f64,
        style: &TextStyle<'_>,
    ) -> Result<(), DrawError> {
        let (left, top) = area.get_base_pixel();
        let style = style.pos(Pos::new(HPos::Center, VPos::Top));
        let mut below = 0;
        for (index, name) in self.positions.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(crate::stats::count_f64(index as u64), low));
            below = y - top;
            area.draw_text(name, &style, (x - left, below + 8))?;
        }
        let (width, _) = area.dim_in_pixel();
        let middle = i32::try_from(width / 2).unwrap_or(0) + 30;
        area.draw_text(&self.x_label, &style, (middle, below + 32))
    }

    fn bounds(&self) -> (f64, f64) {
        let points = self.series.iter().flat_map(|series| &series.points);
        let values: Vec<f64> = points
            .flat_map(|point| [Some(point.value), point.range.map(|range| range.0), point.range.map(|range| range.1)])
            .flatten()
            .collect();
        let highest = values.iter().copied().fold(0.0, f64::max).max(1e-6);
        if !self.logarithmic {
            return (0.0, highest * 1.08);
        }
        let lowest = values.iter().copied().filter(|value| *value > 0.0).fold(highest, f64::min);
        let (low, high) = (lowest.log10().floor(), highest.log10().ceil());
        (low, high.max(low + 1.0))
    }
}

fn tick(value: f64, logarithmic: bool) -> String {
    if !logarithmic {
        let whole = (value - value.round()).abs() < 1e-9;
        return if whole { format!("{value:.0}") } else { format!("{value:.1}") };
    }
    if (value - value.round()).abs() > 1e-6 {
        return String::new();
    }
    let power = 10_f64.powf(value.round());
    if power < 1.0 { format!("{power}") } else { format!("{power:.0}") }
}
