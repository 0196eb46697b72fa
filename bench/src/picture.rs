//! Pictures of the table, for the documentation.

use std::path::Path;

use plotters::prelude::*;

use crate::Outcome;

/// One bar.
pub struct Bar<'a> {
    pub title: &'a str,
    pub value: f64,
    /// Whether it is portcullis.
    pub ours: bool,
}

const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const OTHERS: RGBColor = RGBColor(0xa8, 0xb2, 0xbd);
const ROW: i32 = 30;
const TEXT: i32 = 330;
const WIDTH: i32 = 860;

/// Draws bars, one under the other, the values beside them.
pub fn bars(path: &Path, title: &str, unit: &str, bars: &[Bar<'_>]) -> Outcome {
    let height = 60 + ROW * i32::try_from(bars.len())?;
    let area = SVGBackend::new(path, (u32::try_from(WIDTH)?, u32::try_from(height)?)).into_drawing_area();
    let area = &area;
    area.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font();
    area.draw(&Text::new(title.to_owned(), (12, 14), text(17)))?;
    let greatest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    for (number, bar) in bars.iter().enumerate() {
        let top = 48 + ROW * i32::try_from(number)?;
        let length = f64::from(WIDTH - TEXT - 110) * bar.value.max(0.0) / greatest;
        let colour = if bar.ours { OURS } else { OTHERS };
        let corners = [(TEXT, top), (TEXT + length as i32 + 1, top + ROW - 10)];
        area.draw(&Rectangle::new(corners, colour.filled()))?;
        area.draw(&Text::new(bar.title.to_owned(), (12, top + 4), text(14)))?;
        let value = format!("{} {unit}", grouped(bar.value));
        area.draw(&Text::new(value, (TEXT + length as i32 + 8, top + 4), text(14)))?;
    }
    area.present()?;
    Ok(())
}

/// Three digits and more with commas between; fewer than three with one after the point.
fn grouped(value: f64) -> String {
    if value.abs() < 100.0 { format!("{value:.1}") } else { whole(value) }
}

/// A number without what stands behind its point, with commas between every three digits.
pub fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
